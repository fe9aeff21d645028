"""The contract between the server and its supervisors: a job goes in, an outcome comes out, one message each way.

Where a job is live, events go both ways in between. `codec` has the bytes that a message or an event is on the wire.
"""

from enum import IntEnum, StrEnum

import msgspec

#: The kind of the workers that become any program, as other kinds have the name of their `WarmStart`.
COLD = "cold"


class Limits(msgspec.Struct, frozen=True):
    """What one run may use, all of its processes together unless a field says otherwise."""

    #: Without the time in which the run was kept from a processor, where `max_wall_ms` is set.
    wall_ms: int
    cpu_ms: int
    memory_bytes: int
    #: After so long the run ends in any case. 0: at `wall_ms` exactly, waiting included.
    max_wall_ms: int = 0
    #: Nor does time count as wall time in which the run waits for another one, that it speaks with. The server is told of
    #: all other time of the run.
    free_waiting: bool = False
    #: Private writable memory that a runtime maps without using it, on top of `memory_bytes`, for each process.
    data_headroom_bytes: int = 0
    processes: int = 10
    #: Processes and threads together.
    tasks: int = 128
    #: For each of stdout and stderr.
    output_bytes: int = 1 << 20
    #: For each file.
    file_bytes: int = 10 << 20
    #: For all files together.
    disk_bytes: int = 64 << 20
    files: int = 10_000
    #: As much as memory, where no less is asked for.
    stack_bytes: int = 1 << 62
    open_files: int = 256


class File(msgspec.Struct, frozen=True, array_like=True):
    """A file of the workspace; `name` is relative, with `/` between folders. One that ends so is a folder.

    The content of one that was received lies in the frame that brought it, or in memory that came with it (`memory_files`):
    a compiled program has megabytes.
    """

    name: str
    content: memoryview
    executable: bool = False


class Collect(msgspec.Struct, frozen=True):
    """Which files to bring back after a run, however it ended: names or patterns, and at most `max_bytes` in all."""

    patterns: tuple[str, ...]
    max_bytes: int
    #: Large ones into memory that the server keeps: what a compile step makes goes into many runs.
    into_memory: bool = False


class Job(msgspec.Struct, frozen=True):
    """One program to run: `argv[0]` is an absolute path; `warm` names the kind of prepared worker that may serve it.

    A worker serves it with `arguments` only, the rest of `argv` being what the worker was started with.
    """

    argv: tuple[str, ...]
    env: dict[str, str]
    files: tuple[File, ...]
    limits: Limits
    stdin: bytes = b""
    arguments: tuple[str, ...] = ()
    warm: str = ""
    collect: Collect | None = None
    #: Another one comes next, as after a compile step that succeeds: the supervisor puts its clean-up off until then.
    expects_run: bool = False
    #: Whether what was put off waits until this one is answered, too. Else it is done while this one runs, and the next one
    #: comes however this one ends.
    hurried: bool = True
    #: Output goes to the server as it comes, and standard input stays open after `stdin`. The outcome has no output then,
    #: but for the end of stderr.
    live: bool = False
    #: A live one that speaks with another program: output goes on at once, and so does its end.
    paired: bool = False


class Event(IntEnum):
    """What goes between the server and the supervisor of a live job while it runs."""

    #: To the server: what the program has written.
    STDOUT = 1
    STDERR = 2
    #: To the supervisor: more standard input; and that there is no more.
    STDIN = 3
    END_OF_STDIN = 4
    #: To the supervisor: a signal for the program's process group, by its number.
    SIGNAL = 5
    #: Either way: so many bytes have been taken, output by the client or input by the program.
    TAKEN = 6
    #: To the server, of a paired job: standard output was closed before the program's end.
    END_OF_STDOUT = 7
    #: To the server, where waiting is free: so many milliseconds more in which the run did not wait; 0 once it has begun.
    BUSY = 8
    #: To the supervisor: so many milliseconds more that are no wall time of the run's.
    EXCUSED = 9


#: How much of a live job's output may be on its way to the client, and how much input on its way to the program, in bytes.
LIVE_OUTPUT_WINDOW = 1 << 18
LIVE_INPUT_WINDOW = 1 << 16


class Ended(StrEnum):
    """Why a run is over: by itself, or by the first limit that it met."""

    EXITED = "exited"
    SIGNALED = "signaled"
    WALL_TIME = "wall_time"
    #: It was kept from a processor until `Limits.max_wall_ms` was over, and has not used up its limits.
    STARVED = "starved"
    CPU_TIME = "cpu_time"
    MEMORY = "memory"
    OUTPUT = "output"
    DISK = "disk"
    CANCELLED = "cancelled"
    #: The executor could not run it; `Outcome.message` says why.
    FAILED = "failed"


class Outcome(msgspec.Struct, frozen=True):
    """What became of a job; times in milliseconds, memory in bytes (the peak of the run's sum, as far as seen)."""

    ended: Ended
    code: int | None = None
    signal: int | None = None
    stdout: bytes = b""
    stderr: bytes = b""
    stdout_truncated: bool = False
    stderr_truncated: bool = False
    cpu_ms: float = 0.0
    wall_ms: float = 0.0
    #: How long it was kept from a processor, of `wall_ms`; None where the host does not show that.
    waited_ms: float | None = None
    memory_bytes: int = 0
    #: The kernel refused the program memory beyond its limit at least once, or ended it because the container had none.
    memory_refused: bool = False
    #: It was refused a process or thread at least once, because it had as many as it may have.
    processes_refused: bool = False
    #: How large the largest stack was, where the run was ended for its memory.
    stack_bytes: int = 0
    warm: bool = False
    files: tuple[File, ...] = ()
    message: str = ""
    #: It could not be begun because the machine has no room for it: no disk, no processes, no memory.
    no_room: bool = False


class WarmStart(msgspec.Struct, frozen=True):
    """A kind of worker to keep ready: started with `argv`, `forks` where it is itself the origin of the workers.

    With `on_demand` none is started before the first job that asks for one.
    """

    name: str
    argv: tuple[str, ...]
    env: dict[str, str]
    forks: bool
    ready: int
    on_demand: bool = False


class SupervisorConfig(msgspec.Struct, frozen=True):
    """What a supervisor gets when it is spawned: its slot's directory, how to confine, and what to keep ready."""

    directory: str
    #: Landlock's rules, as pairs of a path and the rights below it; level 0 leaves Landlock out.
    rules: tuple[tuple[str, int], ...]
    landlock_abi: int
    seccomp: bool
    notify: bool
    own_pid_namespace: bool
    #: What programs may never signal.
    service_pids: tuple[int, ...]
    #: First uid of this supervisor's range, 0 where programs share the service's uid.
    first_uid: int
    uids: int
    #: Whether programs may use /dev/shm; only where no other slot could meet them there.
    shared_memory: bool
    #: Whether this is the only slot, so that the use of a file system is this run's use.
    alone: bool
    #: Whether each process is limited by the kernel, and whether the supervisor watches the sums.
    rlimits: bool
    watcher: bool
    warm: tuple[WarmStart, ...]
