"""Reads the language files, finds out which toolchains this host has, and turns a submission into jobs' command lines."""

import datetime as dt
import difflib
import os
import re
import shutil
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import msgspec

from runtime.sandbox import landlock

FOLDER = Path(__file__).parent
# Days on which the support of what names none itself ends: for a distribution that of its security (its releases' page). Of
# Kotlin a new line comes each half year, of which 2.6 is the second after the one here (kotlinlang.org, releases).
_ORIGINS = {"Debian 13": dt.date(2028, 8, 9), "Maven: kotlin-compiler-embeddable": dt.date(2027, 6, 30)}
#: What a program finds as its user's name; in the image its uid has the same.
USER = "executor"
_V8_MEMORY_MB = 256
_PATTERNS = ("memory_error", "version_pattern", "defines", "uses", "passed_over")
# Characters of a language's name in a request that are compared and repeated.
_NAME_SHOWN = 64
#: What Python takes for the seed of its hashes.
SEED_BYTES = 4
MOST_SEED = (1 << 8 * SEED_BYTES) - 1


class LanguageFileError(Exception):
    """A language file is wrong; the message has its name and the key."""


class UnknownLanguageError(Exception):
    """Nobody here speaks that language; the message lists those that are spoken, with the nearest name."""


class Warm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to keep workers ready: the command that starts one, and whether it forks them.

    A worker serves only runs with the default memory limit, where that is part of the language's command.
    """

    run: tuple[str, ...]
    #: What the workers are called, where another interface of the same language has workers of its own.
    kind: str = ""
    forks: bool = False
    ready: int = 1
    #: Paths without which there are no workers.
    needs: tuple[str, ...] = ()
    #: What a worker gets with its run before the program's arguments.
    run_arguments: tuple[str, ...] = ()
    #: Only once a run has asked for it: for what takes memory that a replica without such programs shall not spend.
    on_demand: bool = False


class Release(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which line of a language's releases the image has, and who mends it until when: for its page and for a test."""

    line: str
    #: Where the image has it from.
    origin: str
    #: The day on which upstream ends its support; None where it names none, and then what it does instead.
    upstream: dt.date | None = None
    policy: str = ""
    #: Why it is there although upstream has ended its support.
    because: str = ""

    @property
    def ends(self) -> dt.date:
        """The last day of support: upstream's, or that of its origin where upstream names none, or one that is accepted."""
        if self.upstream and not self.because:
            return self.upstream
        return _ORIGINS[self.origin]


class Function(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a function of a program is called: by files of the folder `call`, which have the places `{file}` and `{module}`.

    The first of them lies at `place`, and the others beside it.
    """

    callers: tuple[str, ...]
    place: str
    #: Whether the first is the main file, which loads the submission's main file by itself.
    is_main: bool = False
    #: Whether they are compiled by themselves, and run with what the submission's compile step makes.
    apart: bool = False
    #: Added to the submission's main file: `{name}` is the function's, `{root}` its first part, and `{scoped}` has `::`.
    end: str = ""
    #: For the compile step, where `{ahead}` stands.
    options: tuple[str, ...] = ()


class Language(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One language, as its file says.

    In commands `{file}` is the main file, `{folder}` the one it lies in, `{unit}` what it is called inside of the language,
    `{box}` the working directory, `{sources}` every file with one of `extensions`, `{memory_mb}` the run's memory limit,
    `{stack_mb}` how much of it a JVM's stack may have, `{v8_stack_kb}` that of V8, and `{bootstrap}` the folder of the warm
    starts. The environment may hold `{box}`, those of memory, and `{seed}`, the number that hashes are seeded with.
    """

    name: str
    file: str
    run: tuple[str, ...]
    version: tuple[str, ...]
    #: A program that writes `hello` and the end of a line.
    hello: str = ""
    aliases: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    compile: tuple[str, ...] = ()
    artifacts: tuple[str, ...] = ()
    #: A program that, where it is there, gets the compiler's words for one source file and does the same in less time.
    steps: str = ""
    #: The same for a checker, which starts once for each test case: linked so that it starts sooner.
    steps_of_checkers: str = ""
    env: dict[str, str] = {}
    #: Commands and absolute paths that must be there beside the commands above.
    needs: tuple[str, ...] = ()
    #: Whether a byte-order mark at a file's start is taken away, since the tools take it for a part of the text.
    unmarked: bool = False
    #: Patterns whose groups are the names of what a source file defines and uses: each is compiled after what it uses.
    defines: str = ""
    uses: str = ""
    #: What the main file is called inside of the language if it defines nothing.
    unit: str = ""
    #: The name by which the compiler finds a further file that defines `{unit}`, which is in small letters.
    found_as: str = ""
    #: A pattern for names of files that the compiler passes over: a main file with such a one is compiled under another.
    passed_over: str = ""
    #: The folder of headers that were compiled ahead, of which `{ahead}` is the one that a program can start with.
    ahead: str = ""
    #: The archive of a Java compiler's classes, for which `{ahead}` is the word; without it one is made (`class_archive`).
    archive: str = ""
    #: Words for the compiler where a program of one source file brings testlib.h, as checkers do.
    with_testlib: tuple[str, ...] = ()
    #: Whether a source file has to be called after its public class.
    named_after_class: bool = False
    #: Whether classes of Java are made, among which the one to start is looked for and becomes `{unit}` of the run.
    starts_classes: bool = False
    version_pattern: str = r"(\d+(?:\.\d+)+)"
    #: A pattern at the end of stderr by which a run is known to have failed for lack of memory.
    memory_error: str = ""
    data_headroom_mb: int = 0
    #: What its runtime is told that the stack may take: a request that asks for less would have it end without its own words.
    stack_mb: int = 0
    #: Judged runs may take so many times the limits of wall and CPU time.
    time_factor: Annotated[float, msgspec.Meta(ge=1, le=10)] = 1
    #: Further paths that its programs read; each must exist to count.
    read: tuple[str, ...] = ()
    release: Release | None = None
    warm: Warm | None = None
    #: How functions of its programs are called; None where that cannot be.
    function: Function | None = None
    #: Another language, whose workers serve what this one's compile step makes.
    workers: str = ""

    @property
    def program(self) -> str:
        """The compiled file that is run by itself; empty where another program runs it."""
        return self.run[0].removeprefix("{box}/") if self.run[0].startswith("{box}/") else ""

    @property
    def seeded(self) -> bool:
        """Whether a seed of its runtime can be set."""
        return any("{seed" in value for value in self.env.values())

    @property
    def compiled(self) -> bool:
        """Whether there is a compile step."""
        return bool(self.compile)


def load(folder: Path = FOLDER) -> tuple[Language, ...]:
    """Every language file of `folder`, by name; raises LanguageFileError with the file and the key."""
    languages = []
    names: dict[str, str] = {}
    for path in sorted(folder.glob("*.toml")):
        try:
            language = msgspec.convert(tomllib.loads(path.read_text("utf-8")), Language)
            for name in _PATTERNS:
                re.compile(getattr(language, name))
        except (tomllib.TOMLDecodeError, msgspec.ValidationError, re.error) as error:
            raise LanguageFileError(f"{path.name}: {error}") from error
        for name in (language.name, *language.aliases):
            if names.setdefault(name, path.name) != path.name:
                raise LanguageFileError(f"{path.name}: aliases: {name!r} is also in {names[name]}")
        languages.append(language)
    for language in languages:
        if language.workers and not any(other.name == language.workers and other.warm for other in languages):
            raise LanguageFileError(f"{names[language.name]}: workers: {language.workers!r} is no language with a warm start")
    return tuple(languages)


class Registry:
    """The languages whose toolchains are here."""

    def __init__(self, languages: Iterable[Language], path: str, *, can_execute_files: bool) -> None:
        """`path` is where toolchains are looked for; without `can_execute_files` nothing compiled can run."""
        self._path = path
        #: What hashes are seeded with in programs that bring no seed of their own: another number at each start.
        self.seed = int.from_bytes(os.urandom(SEED_BYTES))
        self._found: dict[str, str] = {}
        self.languages: dict[str, Language] = {}
        #: Why each other language cannot be run here.
        self.unavailable: dict[str, str] = {}
        self._names: dict[str, Language] = {}
        for language in languages:
            if reason := self._reason_against(language, can_execute_files=can_execute_files):
                self.unavailable[language.name] = reason
                continue
            self.languages[language.name] = language
            for name in (language.name, *language.aliases):
                self._names[name] = language

    def _reason_against(self, language: Language, *, can_execute_files: bool) -> str:
        """Why the language cannot be run here; empty where it can."""
        commands = [command[0] for command in (language.compile, language.run, language.version) if command]
        for command in (*commands, *language.needs):
            if not command.startswith("{") and not self.find(command):
                return f"there is no {command}" + ("" if command.startswith("/") else " on EXECUTOR_PATH")
        if language.program and not can_execute_files:
            return (
                "its programs are files in EXECUTOR_WORK_DIR (the temporary directory if unset), and the file system there "
                "is mounted noexec"
            )
        return ""

    @property
    def names(self) -> Iterable[str]:
        """Every name and alias of the languages that are here."""
        return self._names.keys()

    def find(self, command: str) -> str | None:
        """The absolute path of a command, or None where it is not on the path; an absolute path need only exist."""
        if command.startswith("/"):
            return command if os.path.exists(command) else None
        found = self._found.get(command)
        if found is None and (found := shutil.which(command, path=self._path)):
            self._found[command] = found
        return found

    def get(self, name: str) -> Language:
        """The language with this name or alias, in any letter case; raises UnknownLanguageError."""
        language = self._names.get(name.casefold())
        if language is None:
            name = name[:_NAME_SHOWN]
            near = difflib.get_close_matches(name.casefold(), self._names, 1)
            raise UnknownLanguageError(
                f"unknown language {name!r}"
                + (f"; did you mean {near[0]!r}?" if near else ".")
                + f" Available: {', '.join(sorted(self.languages))}."
            )
        return language

    def worker_of(self, language: Language) -> Language | None:
        """The language whose warm workers may serve this one's runs, None where there are none."""
        worker = self.languages.get(language.workers) if language.workers else language
        return worker if worker and worker.warm and all(map(self.find, worker.warm.needs)) else None

    def command(self, words: Iterable[str], **places: str | int | tuple[str, ...]) -> tuple[str, ...]:
        """`words` with their places filled in; the first becomes an absolute path."""
        filled: list[str] = []
        memory_mb = places.get("memory_mb")
        if isinstance(memory_mb, int):
            places |= _stack(memory_mb)
        for word in words:
            whole = places.get(word[1:-1]) if word.startswith("{") and word.endswith("}") else None
            if isinstance(whole, tuple):
                filled += whole
            else:
                filled.append(word.format_map(places))
        return (self.find(filled[0]) or filled[0], *filled[1:])

    def environment(self, language: Language, box: str, memory_mb: int, seed: int | None = None) -> dict[str, str]:
        """The whole environment of a program: nothing of the service's is in it. `seed` replaces this start's own."""
        base = {"PATH": self._path, "HOME": box, "TMPDIR": box, "LANG": "C.UTF-8", "USER": USER, "LOGNAME": USER}
        places = {
            "box": box,
            "memory_mb": memory_mb,
            "seed": self.seed if seed is None else seed,
            **_stack(memory_mb),
        }
        return base | {name: value.format_map(places) for name, value in language.env.items()}

    def readable(self) -> tuple[tuple[str, int], ...]:
        """Landlock's rules for all languages: toolchains and what C libraries read, but nothing of the service's."""
        paths = dict(_READABLE)
        for folder in self._path.split(":"):
            paths.setdefault(folder, landlock.READ_EXECUTE)
        for language in self.languages.values():
            for path in language.read:
                paths[path] = landlock.READ_EXECUTE
        return landlock.distinct(tuple(paths.items()))


def _stack(memory_mb: int) -> dict[str, int]:
    """How far runtimes that bound their stacks themselves let one grow: where it overflows, the program is told, not ended.

    A JVM's main thread takes some 25 bytes a call in compiled code, 100 before that; where its stack overflows, the JVM holds
    six times as much for a moment. V8 takes 100 to 250 bytes a call. It has half of the memory, and no more than half of
    `_V8_MEMORY_MB`, so that one worker that was started ahead serves every run that has as much memory or more.
    """
    return {"stack_mb": max(1, memory_mb // 10), "v8_stack_kb": min(memory_mb, _V8_MEMORY_MB) * 512}


_READABLE = (
    *((path, landlock.READ_EXECUTE) for path in ("/usr", "/bin", "/lib", "/lib64")),
    *(
        (path, landlock.READ)
        for path in (
            # The loader, names of users and of time zones, alternatives of tools: never /etc as a whole.
            "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives", "/etc/passwd",
            "/etc/group", "/etc/nsswitch.conf", "/etc/localtime", "/etc/timezone", "/etc/mime.types",
            "/etc/locale.alias", "/etc/ssl/openssl.cnf", "/etc/ssl/certs", "/etc/debian_version",
            "/etc/os-release", "/etc/inputrc", "/etc/bash.bashrc",
            # Sizes of the machine, which runtimes read at their start.
            "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/version", "/proc/uptime", "/proc/loadavg",
            "/proc/filesystems", "/proc/sys/vm/overcommit_memory", "/proc/sys/vm/max_map_count",
            "/proc/sys/kernel/osrelease", "/proc/sys/kernel/pid_max", "/proc/sys/kernel/random",
            "/sys/devices/system/cpu", "/sys/devices/system/node", "/sys/kernel/mm/transparent_hugepage",
            "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom",
        )
    ),
    ("/dev/null", landlock.READ_FILE | landlock.WRITE_FILE),
)  # fmt: skip
