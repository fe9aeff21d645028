module executor/toolchain

go 1.24

require golang.org/toolchain v0.0.1-go1.27.4.linux-amd64
