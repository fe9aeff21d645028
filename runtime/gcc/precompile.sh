#!/bin/sh
# precompile.sh FOLDER: what `-B FOLDER` in languages/c.toml and cpp.toml finds there: headers that were compiled in
# advance, for the standard and the optimization of cpp.toml, and a linker that takes half of the usual one's time.
set -eu
into=$1
build=$(mktemp -d)
g++ -O2 -shared -fPIC -fno-rtti -I"$(g++ -print-file-name=plugin)/include" "$(dirname "$0")/instantiate.cc" \
  -o "$build/instantiate.so"
# GCC takes a precompiled header only for a file's first #include.
for name in bits/stdc++.h iostream vector string algorithm; do
  original=$(echo "#include <$name>" | g++ -std=gnu++20 -x c++ -M - | tr -s ' \\' '\n' | grep "/$name\$" | head -n 1)
  header=$build/$(basename "$name")
  # Messages name the original.
  { echo "# 1 \"$original\" 3"; cat "$original"; echo '#pragma executor instantiate'; } >"$header"
  mkdir -p "$(dirname "$into/include/$name")"
  g++ -O2 -std=gnu++20 -fplugin="$build/instantiate.so" -x c++-header "$header" -o "$into/include/$name.gch"
done
ln -s /usr/bin/ld.gold "$into/ld"
rm -r "$build"
