"""train.py LANGUAGE.TOML CLASSES CLASS: writes the AOT cache of a JVM that waits for its program, as that file starts it.

A JVM records what it loads while it waits and while it runs CLASS, whose directory comes when it is up, as with a run.
"""

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

_CHANNEL = 3
_FREE = 10
_CACHE = "-XX:AOTCache="


def main() -> None:
    """Raises CalledProcessError where a JVM fails."""
    file, classes, name = sys.argv[1:]
    command = tomllib.loads(Path(file).read_text("utf-8"))["warm"]["run"]
    cache = next(word.removeprefix(_CACHE) for word in command if word.startswith(_CACHE))
    with tempfile.TemporaryDirectory() as folder:
        box = f"{folder}/box"
        configuration = f"-XX:AOTConfiguration={folder}/configuration"
        words = [word.format(box=box, memory_mb=256, stack_mb=128) for word in command if not word.startswith(_CACHE)]
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        channel = fcntl.fcntl(theirs.fileno(), fcntl.F_DUPFD, _FREE)
        recording = subprocess.Popen(
            [words[0], "-XX:AOTMode=record", configuration, *words[1:]],
            stdin=subprocess.DEVNULL,
            close_fds=False,
            preexec_fn=lambda: os.dup2(channel, _CHANNEL),  # noqa: PLW1509 - there is one thread
        )
        if ours.recv(16) != b"up":
            raise SystemExit("the JVM does not come up")
        shutil.copytree(classes, box)
        ours.send(b"\0".join((b"go", name.encode())))
        if recording.wait():
            raise subprocess.CalledProcessError(recording.returncode, words)
        # A cache knows no classes in directories.
        shutil.rmtree(box)
        create = [words[0], "-XX:AOTMode=create", configuration, f"{_CACHE}{cache}", *words[1:]]
        subprocess.run(create, stdin=subprocess.DEVNULL, check=True)


if __name__ == "__main__":
    main()
