"""What compilers find made ahead, headers and archives: in the image, or in a cache folder that is filled on first use."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path

from runtime.execution.paths import RUNTIME_ROOT
from runtime.languages import class_archive
from runtime.languages.cache_folder import UnusableError, fingerprint
from runtime.languages.preamble import compiled_ahead
from runtime.languages.registry import Language

_log = logging.getLogger(__name__)
_USE = "use "
_HEADERS_OF = "cpp"
_SHOWN = {"cpp": "C++", "java": "Java"}


@dataclass
class Ahead:
    """Finds them. `folder` is the cache folder, empty for none; `path` is where compilers are looked for.

    With `readable_for_all` programs have users of their own, who must be able to read what is in it.
    """

    folder: str = ""
    path: str = ""
    readable_for_all: bool = False
    #: What can be used, with what it looked like when it was verified.
    entries: dict[str, str] = field(default_factory=dict)
    _making: "dict[str, asyncio.Task[None]]" = field(default_factory=dict)

    def folders(self, language: Language) -> tuple[str, ...]:
        """Those with headers for `language`, in the order in which they are looked through.

        The first call for a language whose headers are not in the image has them made, in the background.
        """
        if not language.ahead:
            return ()
        if compiled_ahead(language.ahead):
            return (language.ahead,)
        return self._made(language)

    def words(self, language: Language) -> tuple[str, ...]:
        """The compiler's words for an archive of its own classes; it is made in the background as headers are."""
        if not language.archive:
            return ()
        if os.path.exists(language.archive):
            return (f"-J-XX:AOTCache={language.archive}",)
        return class_archive.words(self._made(language))

    def _made(self, language: Language) -> tuple[str, ...]:
        """What of the cache folder can be used for the language. The first call has it made."""
        if self.folder and language.name not in self._making:
            self._making[language.name] = asyncio.create_task(self._make(language.name))
        return tuple(entry for entry in tuple(self.entries) if _is_of(entry, language.name) and self._is_unchanged(entry))

    @property
    def count(self) -> int:
        """How many headers of the cache folder can be used."""
        return sum(_is_of(entry, _HEADERS_OF) for entry in self.entries)

    def _is_unchanged(self, entry: str) -> bool:
        try:
            if fingerprint(Path(entry)) == self.entries[entry]:
                return True
            reason = f"{entry} is not what it was"
        except UnusableError as error:
            reason = str(error)
        del self.entries[entry]
        _complain(Path(entry).name.partition("-")[0], reason)
        return False

    async def _make(self, name: str) -> None:
        words = (name, self.folder, self.path, *(("all",) if self.readable_for_all else ()))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "runtime.languages.making", *words,
            cwd=RUNTIME_ROOT, env={}, start_new_session=True,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            if process.stdout is None:
                raise RuntimeError("the process that makes headers has no output")
            async for line in process.stdout:
                text = os.fsdecode(line).rstrip("\n")
                if text.startswith(_USE):
                    entry, _, seen = text.removeprefix(_USE).rpartition(" ")
                    self.entries[entry] = seen
                else:
                    _complain(name, text)
            if await process.wait():
                _complain(name, f"the process that makes headers and archives ended with {process.returncode}")
        finally:
            # With the compilers that it has started; where it has ended there may be none.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    async def close(self) -> None:
        """Ends what is being made."""
        for making in self._making.values():
            making.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await making


def _is_of(entry: str, name: str) -> bool:
    """Whether it was made for the language with this name."""
    return Path(entry).name.startswith(f"{name}-")


def _complain(name: str, reason: str) -> None:
    _log.warning("%s programs take longer than they could (EXECUTOR_CACHE_DIR): %s", _SHOWN[name], reason)
