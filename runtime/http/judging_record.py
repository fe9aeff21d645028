"""The record of a judgement: what it was made of, so that it can be made again and compared."""

import os
from collections.abc import Sequence
from hashlib import sha256

import msgspec

from runtime import __version__
from runtime.execution.isolation import Isolation
from runtime.execution.protocol import File, Limits
from runtime.judging.submission import Submission
from runtime.store.digests import name_of

_REVISION = os.environ.get("IMAGE_REVISION", "unknown")
#: The version, and the revision of the sources where the image knows it.
IMAGE = __version__ if _REVISION == "unknown" else f"{__version__}+{_REVISION}"


class LanguageRecord(msgspec.Struct, frozen=True):
    """The language, with the version that its toolchain states."""

    name: str
    version: str


class LimitsRecord(msgspec.Struct, frozen=True):
    """The limits of each run; times in milliseconds, memory and files in bytes."""

    cpu_time: int
    wall_time: int
    memory: int
    output: int
    file_size: int
    disk: int
    processes: int
    tasks: int


class JudgingRecord(msgspec.Struct, frozen=True):
    """What a judged answer was made of. It is for staff: the seed is in it."""

    source: str
    problem: str | None
    image: str
    language: LanguageRecord
    limits: LimitsRecord
    walls: tuple[str, ...]
    seed: int


def source_digest(files: Sequence[File]) -> str:
    """SHA-256 of the program: of its file, or of what `sha256sum` prints for its files, in their order."""
    digests = [sha256(file.content).hexdigest() for file in files]
    if len(files) == 1:
        return name_of(digests[0])
    lines = (f"{digest}  {file.name}\n" for digest, file in zip(digests, files, strict=True))
    return name_of(sha256("".join(lines).encode()).hexdigest())


def walls(force: Isolation) -> tuple[str, ...]:
    """The layers in force, by their names in `/health`, Landlock with its ABI."""
    names = ("seccomp", "user_notification", "own_uid", "no_new_privileges", "pid_namespace")
    abi = (f"landlock {force.landlock_abi}",) if force.landlock_abi else ()
    return (*abi, *(name for name in names if getattr(force, name)))


def judging_record(
    files: Sequence[File],
    problem: str,
    submission: Submission,
    version: str,
    limits: Limits,
    *,
    walls: tuple[str, ...],
    seed: int,
) -> JudgingRecord:
    """`files` are those of the request alone, `problem` a package's digest or empty, `seed` that of this start."""
    return JudgingRecord(
        source=source_digest(files),
        problem=problem or None,
        image=IMAGE,
        language=LanguageRecord(submission.language.name, version),
        limits=LimitsRecord(
            cpu_time=limits.cpu_ms,
            wall_time=limits.wall_ms,
            memory=limits.memory_bytes,
            output=limits.output_bytes,
            file_size=limits.file_bytes,
            disk=limits.disk_bytes,
            processes=limits.processes,
            tasks=limits.tasks,
        ),
        walls=walls,
        seed=seed if submission.seed is None else submission.seed,
    )
