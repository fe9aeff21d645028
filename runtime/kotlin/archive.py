"""archive.py KOTLIN.TOML SOURCE FOLDER: compiles SOURCE into FOLDER as that file says, and writes the AOT cache for that."""

import subprocess
import sys
import tomllib
from pathlib import Path

_CACHE = "-XX:AOTCache="


def main() -> None:
    """Raises CalledProcessError where the compiler fails."""
    file, source, folder = sys.argv[1:]
    command = tomllib.loads(Path(file).read_text("utf-8"))["compile"]
    places = {"{sources}": str(Path(source).absolute()), "-Xlog:disable": "-Xlog:aot=error"}
    words = [places.get(word, word).replace(_CACHE, "-XX:AOTCacheOutput=") for word in command]
    Path(folder).mkdir()
    subprocess.run(words, stdin=subprocess.DEVNULL, cwd=folder, check=True)


if __name__ == "__main__":
    main()
