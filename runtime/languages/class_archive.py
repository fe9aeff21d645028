"""An archive of what javac loads, as it lies in memory: where the image has one, and how this machine's own JDK makes one."""

import hashlib
import shutil
import subprocess
from pathlib import Path

from runtime.languages.cache_folder import UnusableError
from runtime.languages.registry import Language

_SAMPLE = Path(__file__).resolve().parents[1] / "java/Sample.java"
_NAME = "javac.jsa"
#: What making one takes on disk, generously.
NEEDED_MB = 128
_SECONDS = 120


def words(entries: tuple[str, ...]) -> tuple[str, ...]:
    """The compiler's words for the archive of the cache folder's first entry; none where there is no entry."""
    return tuple(f"-J-XX:SharedArchiveFile={entry}/{_NAME}" for entry in entries[:1])


class Javac:
    """This machine's javac, as it is now."""

    def __init__(self, language: Language) -> None:
        """Raises UnusableError where it does not answer."""
        self._command = language.compile
        compiler = shutil.which(self._command[0])
        if compiler is None:
            raise UnusableError(f"there is no {self._command[0]}")
        home = Path(compiler).resolve().parents[1]
        try:
            modules = (home / "lib/modules").stat()
        except OSError as error:
            raise UnusableError(f"{home} is no JDK: {error.strerror}") from error
        version = subprocess.run((compiler, "-J-version", "-version"), capture_output=True, text=True, check=False)
        if version.returncode:
            raise UnusableError(f"{compiler} ended with {version.returncode}: {version.stderr.strip()}")
        facts = (compiler, home, version.stdout, version.stderr, modules.st_size, modules.st_mtime_ns, self._command)
        digest = hashlib.sha256("\0".join(map(str, facts)).encode() + _SAMPLE.read_bytes())
        #: A name that another JDK, other options or another way to make it would not have.
        self.key = f"{language.name}-{digest.hexdigest()[:32]}"

    def archive(self, into: Path, temporary: str) -> None:
        """Fills the folder `into`; raises UnusableError with the JVM's last words."""
        places = {"{ahead}": f"-J-XX:ArchiveClassesAtExit={into}/{_NAME}", "{sources}": str(_SAMPLE)}
        command = [places.get(word, word) for word in self._command]
        # An older compiler does not know all of the sample, and has loaded the more for what it says of that.
        done = subprocess.run(command, cwd=temporary, capture_output=True, text=True, check=False, timeout=_SECONDS)
        if not (into / _NAME).exists():
            said = (done.stdout + done.stderr).strip() or "no words"
            raise UnusableError(f"{self._command[0]} made no archive of its classes: {said.splitlines()[-1]}")
