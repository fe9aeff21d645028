"""Where headers are that were compiled ahead: in the image, or in a cache folder that is filled when they are asked for."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path

from runtime.execution.paths import RUNTIME_ROOT
from runtime.languages.cache_folder import UnusableError, fingerprint
from runtime.languages.preamble import compiled_ahead
from runtime.languages.registry import Language

_log = logging.getLogger(__name__)
_USE = "use "


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
    _making: "asyncio.Task[None] | None" = None

    def folders(self, language: Language) -> tuple[str, ...]:
        """Those with headers for `language`, in the order in which they are looked through.

        The first call for a language whose headers are not in the image has them made, in the background.
        """
        if not language.ahead:
            return ()
        if compiled_ahead(language.ahead):
            return (language.ahead,)
        if self.folder and self._making is None:
            self._making = asyncio.create_task(self._make())
        return tuple(filter(self._is_unchanged, tuple(self.entries)))

    @property
    def count(self) -> int:
        """How many headers of the cache folder can be used."""
        return len(self.entries)

    def _is_unchanged(self, entry: str) -> bool:
        try:
            if fingerprint(Path(entry)) == self.entries[entry]:
                return True
            reason = f"{entry} is not what it was"
        except UnusableError as error:
            reason = str(error)
        del self.entries[entry]
        _complain(reason)
        return False

    async def _make(self) -> None:
        words = (self.folder, self.path, *(("all",) if self.readable_for_all else ()))
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
                    _complain(text)
            if await process.wait():
                _complain(f"the process that makes headers ended with {process.returncode}")
        finally:
            # With the compilers that it has started; where it has ended there may be none.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    async def close(self) -> None:
        """Ends what is being made."""
        if self._making:
            self._making.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._making


def _complain(reason: str) -> None:
    _log.warning("C++ programs take longer than they could (EXECUTOR_CACHE_DIR): %s", reason)
