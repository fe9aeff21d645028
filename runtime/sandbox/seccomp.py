"""The system calls that a program is refused, as a table of rules, and its translation into a kernel filter.

A denylist, since allowlists broke real runtimes elsewhere (dify-sandbox issues 104, 274, 276). The first rule whose call
and conditions match decides; what no rule names is allowed. `docs/security.md` prints the table from this module.
"""

import errno
import struct

from runtime.sandbox.filters import OWN_PID
from runtime.sandbox.syscalls import CLONE_PARENT

# Numbers: arch/x86/entry/syscalls/syscall_64.tbl of the Linux source.
NUMBERS = {
    "mmap": 9, "ioctl": 16, "mremap": 25, "shmget": 29, "shmat": 30, "shmctl": 31, "socket": 41, "connect": 42,
    "accept": 43, "bind": 49, "listen": 50, "socketpair": 53, "setsockopt": 54, "clone": 56, "fork": 57, "vfork": 58,
    "kill": 62, "semget": 64, "semop": 65, "semctl": 66, "shmdt": 67, "msgget": 68, "msgsnd": 69, "msgrcv": 70,
    "msgctl": 71, "fcntl": 72, "truncate": 76, "chmod": 90, "fchmod": 91, "chown": 92, "lchown": 94, "ptrace": 101,
    "syslog": 103, "rt_sigqueueinfo": 129, "utime": 132, "uselib": 134, "setpriority": 141, "sched_setparam": 142,
    "sched_setscheduler": 144, "vhangup": 153, "modify_ldt": 154, "pivot_root": 155, "prctl": 157, "adjtimex": 159,
    "chroot": 161, "acct": 163, "settimeofday": 164, "mount": 165, "umount2": 166, "swapon": 167, "swapoff": 168,
    "reboot": 169, "sethostname": 170, "setdomainname": 171, "iopl": 172, "ioperm": 173, "init_module": 175,
    "delete_module": 176, "quotactl": 179, "setxattr": 188, "lsetxattr": 189, "fsetxattr": 190, "removexattr": 197,
    "lremovexattr": 198, "fremovexattr": 199, "tkill": 200, "sched_setaffinity": 203, "io_setup": 206, "semtimedop": 220,
    "clock_settime": 227, "exit_group": 231, "tgkill": 234, "utimes": 235, "mq_open": 240, "mq_unlink": 241,
    "kexec_load": 246, "add_key": 248, "request_key": 249, "keyctl": 250, "ioprio_set": 251, "inotify_init": 253,
    "migrate_pages": 256, "fchownat": 260, "futimesat": 261, "fchmodat": 268, "unshare": 272, "vmsplice": 278,
    "move_pages": 279, "utimensat": 280, "accept4": 288, "inotify_init1": 294, "rt_tgsigqueueinfo": 297,
    "perf_event_open": 298, "fanotify_init": 300, "prlimit64": 302, "name_to_handle_at": 303, "open_by_handle_at": 304,
    "clock_adjtime": 305, "setns": 308, "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312, "finit_module": 313,
    "sched_setattr": 314, "memfd_create": 319, "kexec_file_load": 320, "bpf": 321, "userfaultfd": 323,
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "open_tree": 428, "move_mount": 429,
    "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433, "pidfd_open": 434, "clone3": 435, "close_range": 436,
    "pidfd_getfd": 438, "process_madvise": 440, "mount_setattr": 442, "quotactl_fd": 443, "memfd_secret": 447,
    "process_mrelease": 448, "fchmodat2": 452, "setxattrat": 463, "removexattrat": 466, "open_tree_attr": 467,
    "file_setattr": 469,
}  # fmt: skip

ALLOW = "allow"
NOTIFY = "supervisor"

AF_UNIX = 1
SOCK_STREAM = 1
SOCK_SEQPACKET = 5
PROT_WRITE = 2
# From which size on a request for memory is worth a round trip to the supervisor. glibc asks for no less once the heap
# cannot grow any more, so that a program without words for it is known to have been refused memory; runtimes that are
# started ahead have such words, and map and unmap that much all the time.
LARGE_REQUEST_BYTES = 1 << 20
LARGE_REQUEST_OF_RUNTIMES_BYTES = 16 << 20

CLONE_VM = 0x00000100
CLONE_THREAD = 0x00010000
_CLONE_FILES = 0x00000400
_CLOSE_RANGE_UNSHARE = 2
_PR_SET_DUMPABLE = 4
_CLONE_NAMESPACES = 0x7E020080

_FIOSETOWN, _SIOCSPGRP = 0x8901, 0x8902
_SCHED_OTHER = 0
_F_SETOWN, _F_SETSIG, _F_SETOWN_EX, _F_SETLEASE, _F_SETPIPE_SZ = 8, 10, 15, 1024, 1031
_SOL_SOCKET = 1
_BUFFER_SIZES = {"SO_SNDBUF": 7, "SO_RCVBUF": 8, "SO_SNDBUFFORCE": 32, "SO_RCVBUFFORCE": 33}
_MAP_SHARED, _MAP_ANONYMOUS = 0x01, 0x20


class When:
    """One condition on an argument: `kind` is `==`, `!=`, `bits` (any is set), `pointer` (not null) or `>=` (64 bits)."""

    __slots__ = ("argument", "kind", "mask", "value")

    def __init__(self, argument: int, kind: str, value: int = 0, mask: int = 0xFFFFFFFF) -> None:
        """`mask` is laid over the argument first, for `==` and `!=`."""
        self.argument = argument
        self.kind = kind
        self.value = value
        self.mask = mask

    def __str__(self) -> str:
        """The condition in words, for the documentation."""
        name = f"argument {self.argument + 1}"
        if self.kind == "pointer":
            return f"{name} is not null"
        masked = "" if self.mask == 0xFFFFFFFF else f" & {self.mask:#x}"
        shown = -1 if self.value == 0xFFFFFFFF else hex(self.value) if self.value > 255 else self.value
        return f"{name} & {self.value:#x}" if self.kind == "bits" else f"{name}{masked} {self.kind} {shown}"


class Rule:
    """What is answered to some calls: `answer` is an errno's name, `allow` or `supervisor`; every condition must hold."""

    __slots__ = ("answer", "calls", "reason", "when")

    def __init__(self, calls: str, answer: str, reason: str, *when: When) -> None:
        """`calls` are names, separated by spaces; `reason` says which attack the rule stops."""
        self.calls = calls.split()
        self.answer = answer
        self.reason = reason
        self.when = when


def rules(
    *,
    notify: bool,
    shared_uid: bool,
    own_pid_namespace: bool,
    devices_readable_only: bool,
    neighbours: bool = False,
    warm: bool = False,
    service_pids: "tuple[int, ...]" = (),
) -> "tuple[Rule, ...]":
    """The rules of the programs of one executor.

    `notify`: the supervisor answers some calls (user notification). `shared_uid`: programs have the uid of the
    service, so that the kernel's own permission checks do not protect its files. `own_pid_namespace`: they cannot
    even name a process that is not theirs. `devices_readable_only`: Landlock keeps them from writing to /dev/zero.
    `neighbours`: there are other slots. `warm`: for runtimes that are started ahead. The supervisor learns of the program's
    end before the kernel takes its memory apart; their signal handlers restart system calls or are gone by then, else an
    interrupted exit would be a crash.
    `service_pids`: what they may not signal.
    """
    ask = NOTIFY if notify else ALLOW
    ask_or_refuse = NOTIFY if notify else "EPERM"
    table = [
        Rule("mount umount2 pivot_root chroot mount_setattr open_tree open_tree_attr move_mount fsopen fsconfig fsmount "
             "fspick", "EPERM", "changes the file tree under Landlock's rules"),
        Rule("unshare setns", "EPERM", "a user namespace gives every capability inside it, and with them kernel code that "
             "is rarely reached"),
        Rule("clone", "EPERM", "the same namespaces through clone", When(0, "bits", _CLONE_NAMESPACES)),
        Rule("clone", "EPERM", "makes the new process a child of the supervisor instead of its own",
             When(0, "==", CLONE_PARENT, CLONE_PARENT | CLONE_THREAD)),
        Rule("clone3", "ENOSYS", "its flags are behind a pointer that a filter cannot read; libc falls back to clone"),
        Rule("clone fork vfork", ask, "the supervisor counts processes and threads, and refuses what exceeds the limit"),
        Rule("ptrace process_vm_readv process_vm_writev kcmp pidfd_getfd process_madvise process_mrelease", "EPERM",
             "reaches into other processes"),
        Rule("bpf perf_event_open userfaultfd", "EPERM", "kernel interfaces behind many privilege escalations"),
        Rule("io_uring_setup io_uring_enter io_uring_register io_setup", "ENOSYS",
             "does file and socket work that no filter sees, in memory that is in no process's account; runtimes fall back"),
        Rule("keyctl add_key request_key", "ENOSYS", "keyrings outlive the run and are shared by a uid's processes"),
        Rule("shmget shmat shmctl shmdt semget semop semctl semtimedop msgget msgsnd msgrcv msgctl", "ENOSYS",
             "System V objects outlive the run and are shared by all"),
        Rule("mq_open mq_unlink", "ENOSYS", "message queues outlive the run and are shared by all"),
        Rule("memfd_create memfd_secret", "ENOSYS", "memory that belongs to no process and escapes the count"),
        Rule("socketpair", "EACCES", "only pairs that stay within the run", When(0, "!=", AF_UNIX)),
        Rule("socketpair", ask, "a stream pair cannot be addressed elsewhere; the supervisor bounds their number, because "
             "their buffers belong to no process", When(0, "==", AF_UNIX), When(1, "==", SOCK_STREAM, 0xF)),
        Rule("socketpair", ask, "a packet pair likewise",
             When(0, "==", AF_UNIX), When(1, "==", SOCK_SEQPACKET, 0xF)),
        Rule("socketpair", "EACCES", "a datagram pair can be connected to any other address"),
        Rule("socket", "EACCES", "no network of any family, no abstract unix address, no netlink, vsock or packet socket"),
        Rule("connect bind listen accept accept4", "EACCES", "even a socket from elsewhere gets no address"),
        Rule("fcntl", "EPERM", "asks the kernel to send a signal of choice to any process of the uid",
             When(1, "==", _F_SETOWN)),
        Rule("fcntl", "EPERM", "the same, by its newer name", When(1, "==", _F_SETOWN_EX)),
        Rule("fcntl", "EPERM", "chooses that signal", When(1, "==", _F_SETSIG)),
        Rule("fcntl", "EPERM", "larger pipe buffers, which belong to no process (F_SETPIPE_SZ)",
             When(1, "==", _F_SETPIPE_SZ)),
        Rule("fcntl", "EPERM", "a lease on a file that the service or another run opens keeps them waiting",
             When(1, "==", _F_SETLEASE)),
        *(Rule("setsockopt", "EPERM", f"larger socket buffers, which belong to no process ({name})",
               When(1, "==", _SOL_SOCKET), When(2, "==", number)) for name, number in _BUFFER_SIZES.items()),
        Rule("vmsplice", "ENOSYS", "memory in a pipe that belongs to no process any more, a huge page for each byte"),
        Rule("clone", "EPERM", "a thread with descriptors of its own, which are not looked into for files without a name",
             When(0, "==", CLONE_THREAD, CLONE_THREAD | _CLONE_FILES)),
        Rule("close_range", "EINVAL", "the same afterwards (CLOSE_RANGE_UNSHARE)", When(2, "bits", _CLOSE_RANGE_UNSHARE)),
        Rule("prctl", "EPERM", "a process that the supervisor cannot look into (PR_SET_DUMPABLE)",
             When(0, "==", _PR_SET_DUMPABLE)),
        Rule("ioctl", "EPERM", "the same through ioctl (FIOSETOWN)", When(1, "==", _FIOSETOWN)),
        Rule("ioctl", "EPERM", "the same through ioctl (SIOCSPGRP)", When(1, "==", _SIOCSPGRP)),
        Rule("ioctl", "EPERM", "types into a terminal (TIOCSTI)", When(1, "==", 0x5412)),
        Rule("ioctl", "EPERM", "the console's paste (TIOCLINUX)", When(1, "==", 0x541C)),
        Rule("kill", "EPERM", "every process of the uid at once", When(0, "==", 0xFFFFFFFF)),
    ]  # fmt: skip
    signalled = "kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_open"
    if not own_pid_namespace:
        for pid in service_pids:
            table.append(Rule(signalled, "EPERM", "a process of the service", When(0, "==", pid)))
            table.append(Rule("kill", "EPERM", "a process group of the service", When(0, "==", -pid & 0xFFFFFFFF)))
    if shared_uid and not own_pid_namespace:
        table += [
            Rule(signalled, ALLOW, "the program itself (abort, raise, threads)", When(0, "==", OWN_PID)),
            Rule("kill", ALLOW, "its own process group", When(0, "==", 0)),
            Rule(signalled, ask, "the supervisor lets only the run's own processes be signalled"),
        ]
    if shared_uid and neighbours:
        table.append(
            Rule("inotify_init inotify_init1", "EMFILE", "shows the names of another slot's files, whatever Landlock forbids")
        )
    if shared_uid:
        table += [
            Rule("chmod fchmod fchmodat truncate utime utimes futimesat", ask_or_refuse,
                 "Landlock does not cover them (truncate before ABI 3); the supervisor does them, inside the run's own "
                 "directory only"),
            Rule("utimensat", ask_or_refuse, "the same; without a path it works on an open file and is allowed",
                 When(1, "pointer")),
        ]  # fmt: skip
    table += [
        Rule("fchmodat2", "ENOSYS", "libc falls back to fchmodat"),
        Rule("chown lchown fchownat", "EPERM", "ownership is not the program's to give"),
        Rule("setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr setxattrat removexattrat file_setattr",
             "ENOTSUP", "Landlock does not cover attributes; programs expect file systems without them"),
        Rule("prlimit64", "EPERM", "limits of another process", When(0, "!=", 0)),
        Rule("sched_setscheduler", ALLOW, "to the ordinary policy, which every process here has: Mono asks for it for each "
             "of its threads", When(1, "==", _SCHED_OTHER)),
        Rule("sched_setaffinity sched_setscheduler sched_setparam sched_setattr migrate_pages move_pages", "EPERM",
             "scheduling of another process", When(0, "!=", 0), When(0, "!=", OWN_PID)),
        Rule("setpriority", "EPERM", "priority of a group or of the whole uid", When(0, "!=", 0)),
        Rule("setpriority", "EPERM", "priority of another process", When(1, "!=", 0), When(1, "!=", OWN_PID)),
        Rule("ioprio_set", "EPERM", "disk priority of others", When(1, "!=", 0), When(1, "!=", OWN_PID)),
        Rule("init_module finit_module delete_module kexec_load kexec_file_load reboot swapon swapoff acct quotactl "
             "quotactl_fd sethostname setdomainname settimeofday clock_settime adjtimex clock_adjtime iopl ioperm syslog "
             "vhangup uselib modify_ldt fanotify_init name_to_handle_at open_by_handle_at", "EPERM",
             "administration of the host; refused twice, in case a capability is left"),
    ]  # fmt: skip
    if notify:
        large = LARGE_REQUEST_OF_RUNTIMES_BYTES if warm else LARGE_REQUEST_BYTES
        anonymous = (When(3, "bits", _MAP_ANONYMOUS),) if devices_readable_only else ()
        table += [
            Rule("mmap", NOTIFY, "shared memory can be hidden from every process's count, so it counts from when it is "
                 "mapped", When(3, "bits", _MAP_SHARED), *anonymous),
            Rule("mmap", NOTIFY, "the supervisor notes a request beyond the memory limit (it then fails by RLIMIT_DATA)",
                 When(1, ">=", large), When(2, "bits", PROT_WRITE)),
            Rule("mremap", NOTIFY, "the same when a block grows", When(2, ">=", large)),
        ]  # fmt: skip
    if notify and warm:
        table.append(
            Rule(
                "exit_group",
                NOTIFY,
                "no attack: the answer of a warm worker leaves before the kernel has taken its memory apart",
            )
        )
    return tuple(table)


_LD_W_ABS = 0x20
_ALU_AND_K = 0x54
_JA = 0x05
_JEQ_K, _JGE_K, _JGT_K, _JSET_K = 0x15, 0x35, 0x25, 0x45
_RET_K = 0x06
_RET_ALLOW = 0x7FFF0000
_RET_NOTIFY = 0x7FC00000
_RET_ERRNO = 0x00050000
_AUDIT_ARCH_X86_64 = 0xC000003E
#: Code, where to go if true and if false, and a constant: struct sock_filter.
_Instruction = tuple[int, int, int, int]
_ALLOWED = ((_RET_K, 0, 0, _RET_ALLOW),)
_X32_BIT = 0x40000000


def _returned(answer: str) -> int:
    if answer == ALLOW:
        return _RET_ALLOW
    if answer == NOTIFY:
        return _RET_NOTIFY
    return _RET_ERRNO | int(getattr(errno, answer))


def _condition(when: When, rest: int) -> "list[_Instruction]":
    """Instructions that go on behind themselves where the condition holds, and otherwise `rest` further."""
    low = 16 + 8 * when.argument
    high = low + 4
    if when.kind == "pointer":
        return [(_LD_W_ABS, 0, 0, low), (_JGT_K, 2, 0, 0), (_LD_W_ABS, 0, 0, high), (_JGT_K, 0, rest, 0)]
    if when.kind == ">=":
        return [(_LD_W_ABS, 0, 0, high), (_JGT_K, 2, 0, 0), (_LD_W_ABS, 0, 0, low), (_JGE_K, 0, rest, when.value)]
    load = [(_LD_W_ABS, 0, 0, low)]
    if when.kind == "bits":
        return [*load, (_JSET_K, 0, rest, when.value)]
    if when.mask != 0xFFFFFFFF:
        load.append((_ALU_AND_K, 0, 0, when.mask))
    yes, no = (0, rest) if when.kind == "==" else (rest, 0)
    return [*load, (_JEQ_K, yes, no, when.value)]


def assemble(table: "tuple[Rule, ...]") -> bytes:
    """The filter for `table`, as an array of struct sock_filter.

    It finds the rules of a call by halving: the kernel runs a new filter once for every number there is, to know those
    that it need not ask about, and a program runs it for every call that has rules.
    """
    of_call: dict[int, list[Rule]] = {}
    for rule in table:
        for call in rule.calls:
            of_call.setdefault(NUMBERS[call], []).append(rule)
    # From each number on, up to the next: what is done with the call.
    spans: list[tuple[int, tuple[_Instruction, ...]]] = [(0, _ALLOWED)]
    for number in sorted(of_call):
        # The number after a call without rules of its own allows again, unless it is the next one.
        if spans[-1][0] == number:
            spans.pop()
        spans += [(number, _answers(of_call[number])), (number + 1, _ALLOWED)]
    spans = [span for position, span in enumerate(spans) if position == 0 or span[1] != spans[position - 1][1]]
    found = _halved(spans)
    start: list[_Instruction] = [
        (_LD_W_ABS, 0, 0, 4),
        (_JEQ_K, 1, 0, _AUDIT_ARCH_X86_64),
        (_RET_K, 0, 0, _returned("ENOSYS")),
        (_LD_W_ABS, 0, 0, 0),
        (_JGE_K, 0, 1, _X32_BIT),
        (_RET_K, 0, 0, _returned("ENOSYS")),
    ]
    # Behind the search the answers of more than one instruction, each once.
    long: dict[tuple[_Instruction, ...], int] = {}
    end = len(start) + len(found)
    for step in found:
        if len(step) > 1 and step not in long:
            long[step] = end
            end += len(step)
    program = start
    for step in found:
        program.append(step[0] if len(step) == 1 else (_JA, 0, 0, long[step] - len(program) - 1))
    for step in long:
        program += step
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def _answers(rules_of_call: "list[Rule]") -> "tuple[_Instruction, ...]":
    """What one call is answered: its rules, the first whose conditions hold."""
    program: list[_Instruction] = []
    for rule in rules_of_call:
        body: list[_Instruction] = [(_RET_K, 0, 0, _returned(rule.answer))]
        for when in reversed(rule.when):
            body = _condition(when, len(body)) + body
        program += body
        if not rule.when:
            return tuple(program)
    return (*program, *_ALLOWED)


def _halved(spans: "list[tuple[int, tuple[_Instruction, ...]]]") -> "list[tuple[_Instruction, ...]]":
    """The search for the span that a number is in; each step is one instruction, or the several of an answer to jump to."""
    if len(spans) == 1:
        return [spans[0][1]]
    middle = len(spans) // 2
    low, high = _halved(spans[:middle]), _halved(spans[middle:])
    first = spans[middle][0]
    # A conditional jump reaches 255 instructions.
    if len(low) <= 255:
        return [((_JGE_K, len(low), 0, first),), *low, *high]
    return [((_JGE_K, 0, 1, first),), ((_JA, 0, 0, len(low)),), *low, *high]
