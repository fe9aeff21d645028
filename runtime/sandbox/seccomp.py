"""A decision for each system call of the kernel, as a table of rules.

What runtimes need is allowed as a whole, since lists of what one runtime was seen to use broke real ones elsewhere
(dify-sandbox issues 104, 274, 276). The first rule whose call and conditions match decides, and a call without a rule does
not exist. `docs/security.md` prints the table from this module; `bpf` makes the filter.
"""

from runtime.sandbox.allowed import ALLOWED
from runtime.sandbox.filters import OWN_PID
from runtime.sandbox.rule import ALLOW, NOTHING, NOTIFY, Rule, When
from runtime.sandbox.syscalls import CLONE_PARENT

AF_UNIX = 1
SOCK_STREAM = 1
SOCK_SEQPACKET = 5
PROT_WRITE = 2
# From which size on a request for memory is worth a round trip to the supervisor. glibc asks for no less once the heap
# cannot grow any more, so that a program without words for it is known to have been refused memory; runtimes that are
# started ahead have such words, and map and unmap that much all the time.
LARGE_REQUEST_BYTES = 1 << 20
LARGE_REQUEST_OF_RUNTIMES_BYTES = 16 << 20
# From which size on a range that becomes writable as a whole is one that was reserved.
LARGE_RESERVATION_BYTES = 256 << 20

CLONE_VM = 0x00000100
CLONE_THREAD = 0x00010000
_CLONE_FILES = 0x00000400
_CLOSE_RANGE_UNSHARE = 2
_PR_SET_DUMPABLE = 4
_CLONE_NAMESPACES = 0x7E020080

_FIOSETOWN, _SIOCSPGRP = 0x8901, 0x8902
_TIOCSTI, _TIOCLINUX, _TIOCSETD, _TCGETS2, _SIOCATMARK = 0x5412, 0x541C, 0x5423, 0x802C542A, 0x8905
# All requests of terminals, and those that close on exec, do not block, or ask how much there is to be read.
_TERMINALS, _TYPE_OF_REQUEST = 0x5400, 0xFFFFFF00
_SCHED_OTHER = 0
_F_SETOWN, _F_SETSIG, _F_SETOWN_EX, _F_SETLEASE, _F_NOTIFY, _F_SETPIPE_SZ = 8, 10, 15, 1024, 1026, 1031
_F_ADD_SEALS, _F_SET_RW_HINT, _F_SET_FILE_RW_HINT, _F_FIRST_UNKNOWN = 1033, 1036, 1038, 1039
_SOL_SOCKET = 1
_BUFFER_SIZES = {"SO_SNDBUF": 7, "SO_RCVBUF": 8, "SO_SNDBUFFORCE": 32, "SO_RCVBUFFORCE": 33}
_FILTERS = {"SO_ATTACH_FILTER": 26, "SO_ATTACH_BPF": 50, "SO_ATTACH_REUSEPORT_CBPF": 51, "SO_ATTACH_REUSEPORT_EBPF": 52}
_PR_SCHED_CORE, _PR_SET_MEMORY_MERGE, _PR_FUTEX_HASH = 62, 67, 78
_MADV_MERGEABLE = 12
_POSIX_FADV_DONTNEED = 4
_PERSONALITY_QUERY = 0xFFFFFFFF
# What fallocate may do besides giving a file its blocks: give some back.
_FALLOC_KEEP_SIZE, _FALLOC_PUNCH_HOLE = 1, 2
_MAP_SHARED, _MAP_ANONYMOUS, _MAP_STACK = 0x01, 0x20, 0x20000
_RLIMIT_DATA = 2


def rules(
    *,
    notify: bool,
    shared_uid: bool,
    own_pid_namespace: bool,
    devices_readable_only: bool,
    neighbours: bool = False,
    warm: bool = False,
    announced_end: bool = False,
    service_pids: "tuple[int, ...]" = (),
) -> "tuple[Rule, ...]":
    """The rules of the programs of one executor.

    `notify`: the supervisor answers some calls (user notification). `shared_uid`: programs have the uid of the
    service, so that the kernel's own permission checks do not protect its files. `own_pid_namespace`: they cannot
    even name a process that is not theirs. `devices_readable_only`: Landlock keeps them from writing to /dev/zero.
    `neighbours`: there are other slots. `warm`: for runtimes that are started ahead; it implies `announced_end`: the
    supervisor learns of a program's end before the kernel takes its memory apart. Their signal handlers restart system
    calls or are gone by then, else an interrupted exit would be a crash.
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
        Rule("io_uring_setup io_uring_enter io_uring_register io_setup io_destroy io_getevents io_submit io_cancel "
             "io_pgetevents", "ENOSYS",
             "does file and socket work that no filter sees, in memory that is in no process's account; runtimes fall back"),
        Rule("keyctl add_key request_key", "ENOSYS", "keyrings outlive the run and are shared by a uid's processes"),
        Rule("shmget shmat shmctl shmdt semget semop semctl semtimedop msgget msgsnd msgrcv msgctl", "ENOSYS",
             "System V objects outlive the run and are shared by all"),
        Rule("mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr", "ENOSYS",
             "message queues outlive the run and are shared by all"),
        Rule("memfd_create memfd_secret map_shadow_stack", "ENOSYS", "memory that escapes the count"),
        Rule("landlock_create_ruleset landlock_add_rule landlock_restrict_self", "ENOSYS",
             "a ruleset keeps each file that it names on disk, whether or not anything else does"),
        Rule("mbind set_mempolicy get_mempolicy set_mempolicy_home_node", "EPERM",
             "policies of memory that are in no account, one for each mapping"),
        Rule("cachestat", "ENOSYS", "tells which files others have read"),
        Rule("statmount listmount listns lsm_get_self_attr lsm_set_self_attr lsm_list_modules", "ENOSYS",
             "tells how the machine is set up"),
        Rule("uprobe uretprobe", "ENOSYS",
             "the kernel's own way back from a probe; newer kernels let it pass any filter, and end whoever else calls it"),
        Rule("personality", ALLOW, "the ordinary one", When(0, "==", 0)),
        Rule("personality", ALLOW, "asks for it", When(0, "==", _PERSONALITY_QUERY)),
        Rule("personality", "EPERM", "turns off what makes a program's memory harder to attack"),
        Rule("fadvise64", NOTHING, "takes files of the toolchain out of the cache, so that the next run waits for the disk",
             When(3, "==", _POSIX_FADV_DONTNEED)),
        Rule("sync syncfs", NOTHING, "makes everybody wait for everybody's disk"),
        Rule("madvise", "EINVAL", "merges pages with other processes, whose content then shows in time taken",
             When(2, "==", _MADV_MERGEABLE)),
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
        Rule("fcntl", "EPERM", "watches that stay in the kernel (F_NOTIFY)", When(1, "==", _F_NOTIFY)),
        Rule("fcntl", "EPERM", "marks a file for whoever opens it next (F_SET_RW_HINT)", When(1, "==", _F_SET_RW_HINT)),
        Rule("fcntl", "EPERM", "the same (F_SET_FILE_RW_HINT)", When(1, "==", _F_SET_FILE_RW_HINT)),
        Rule("fcntl", "EPERM", "the same (F_ADD_SEALS)", When(1, "==", _F_ADD_SEALS)),
        Rule("fcntl", "EINVAL", "what later kernels have", When(1, ">=", _F_FIRST_UNKNOWN)),
        *(Rule("setsockopt", "EPERM", f"a filter of the program's own in the kernel ({name})",
               When(1, "==", _SOL_SOCKET), When(2, "==", number)) for name, number in _FILTERS.items()),
        *(Rule("setsockopt", "EPERM", f"larger socket buffers, which belong to no process ({name})",
               When(1, "==", _SOL_SOCKET), When(2, "==", number)) for name, number in _BUFFER_SIZES.items()),
        Rule("vmsplice", "ENOSYS", "memory in a pipe that belongs to no process any more, a huge page for each byte"),
        Rule("clone", "EPERM", "a thread with descriptors of its own, which are not looked into for files without a name",
             When(0, "==", CLONE_THREAD, CLONE_THREAD | _CLONE_FILES)),
        Rule("close_range", "EINVAL", "the same afterwards (CLOSE_RANGE_UNSHARE)", When(2, "bits", _CLOSE_RANGE_UNSHARE)),
        Rule("prctl", "EPERM", "a process that the supervisor cannot look into (PR_SET_DUMPABLE)",
             When(0, "==", _PR_SET_DUMPABLE)),
        Rule("prctl", "EINVAL", "shares a processor's core with nobody (PR_SCHED_CORE)", When(0, "==", _PR_SCHED_CORE)),
        Rule("prctl", "EINVAL", "merges pages with other processes (PR_SET_MEMORY_MERGE)",
             When(0, "==", _PR_SET_MEMORY_MERGE)),
        Rule("prctl", "EINVAL", "tables in the kernel (PR_FUTEX_HASH)", When(0, "==", _PR_FUTEX_HASH)),
        Rule("ioctl", "EPERM", "the same through ioctl (FIOSETOWN)", When(1, "==", _FIOSETOWN)),
        Rule("ioctl", "EPERM", "the same through ioctl (SIOCSPGRP)", When(1, "==", _SIOCSPGRP)),
        Rule("ioctl", "EPERM", "types into a terminal (TIOCSTI)", When(1, "==", _TIOCSTI)),
        Rule("ioctl", "EPERM", "the console's paste (TIOCLINUX)", When(1, "==", _TIOCLINUX)),
        Rule("ioctl", "EPERM", "loads a driver for a terminal (TIOCSETD)", When(1, "==", _TIOCSETD)),
        Rule("ioctl", ALLOW, "terminals; to block or not, to close on exec, how much there is to be read",
             When(1, "==", _TERMINALS, _TYPE_OF_REQUEST)),
        Rule("ioctl", ALLOW, "a terminal's settings (TCGETS2)", When(1, "==", _TCGETS2)),
        Rule("ioctl", ALLOW, "a mark in a stream (SIOCATMARK)", When(1, "==", _SIOCATMARK)),
        Rule("ioctl", "ENOTTY", "flags, versions, blocks and keys of files, and every driver: marks that stay, disk that is "
             "in no account, kernel code that is rarely reached"),
        Rule("fallocate", NOTIFY if notify else "ENOTSUP",
             "blocks beyond the limit of a file (FALLOC_FL_KEEP_SIZE), and in no account of what was written; the supervisor "
             "counts them", When(1, "==", 0, 0xFFFFFFFF & ~_FALLOC_KEEP_SIZE)),
        Rule("fallocate", ALLOW, "gives blocks back", When(1, "==", _FALLOC_KEEP_SIZE | _FALLOC_PUNCH_HOLE)),
        Rule("fallocate", "ENOTSUP", "moves or zeroes blocks; programs do it themselves then"),
        Rule("inotify_add_watch", ask, "a watch keeps a file's record in the kernel; the supervisor bounds their number"),
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
        table.append(
            Rule("chmod fchmod fchmodat truncate", ask_or_refuse,
                 "Landlock does not cover them (truncate before ABI 3); the supervisor does them, inside the run's own "
                 "directory only")
        )  # fmt: skip
    if shared_uid or notify:
        table.append(
            Rule("utime utimes futimesat utimensat", ask_or_refuse, "the same; whoever may write to a file or a public "
                 "directory may set its time to now, and whoever comes next can read it")
        )  # fmt: skip
    table += [
        Rule("fchmodat2", "ENOSYS", "libc falls back to fchmodat"),
        Rule("chown fchown lchown fchownat", "EPERM", "ownership is not the program's to give"),
        Rule("setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr setxattrat removexattrat file_setattr",
             "ENOTSUP", "Landlock does not cover attributes; programs expect file systems without them"),
        Rule("prlimit64", "EPERM", "limits of another process", When(0, "!=", 0)),
        Rule("prlimit64", "EPERM", "more private memory than the limit: the supervisor adds to it for stacks of threads",
             When(1, "==", _RLIMIT_DATA), When(2, "pointer")),
        Rule("setrlimit", "EPERM", "the same by the older call", When(0, "==", _RLIMIT_DATA)),
        Rule("sched_setscheduler", ALLOW, "to the ordinary policy, which every process here has: Mono asks for it for each "
             "of its threads", When(1, "==", _SCHED_OTHER)),
        Rule("sched_setattr", "EPERM", "shorter turns than the supervisor's, which is to have the processor at once"),
        Rule("sched_setaffinity sched_setscheduler sched_setparam migrate_pages move_pages", "EPERM",
             "scheduling of another process", When(0, "!=", 0), When(0, "!=", OWN_PID)),
        Rule("setpriority", "EPERM", "priority of a group or of the whole uid", When(0, "!=", 0)),
        Rule("setpriority", "EPERM", "priority of another process", When(1, "!=", 0), When(1, "!=", OWN_PID)),
        Rule("ioprio_set", "EPERM", "disk priority of others", When(1, "!=", 0), When(1, "!=", OWN_PID)),
        Rule("init_module finit_module delete_module kexec_load kexec_file_load reboot swapon swapoff acct quotactl "
             "quotactl_fd sethostname setdomainname settimeofday clock_settime adjtimex clock_adjtime iopl ioperm syslog "
             "vhangup modify_ldt fanotify_init fanotify_mark name_to_handle_at open_by_handle_at", "EPERM",
             "administration of the host; refused twice, in case a capability is left"),
        Rule("uselib _sysctl create_module get_kernel_syms query_module nfsservctl getpmsg putpmsg afs_syscall tuxcall "
             "security set_thread_area get_thread_area lookup_dcookie epoll_ctl_old epoll_wait_old vserver ustat sysfs "
             "remap_file_pages", "ENOSYS", "nothing uses them any more, and most kernels have not got them"),
    ]  # fmt: skip
    if notify:
        large = LARGE_REQUEST_OF_RUNTIMES_BYTES if warm else LARGE_REQUEST_BYTES
        anonymous = (When(3, "bits", _MAP_ANONYMOUS),) if devices_readable_only else ()
        table += [
            Rule("mmap", NOTIFY, "shared memory can be hidden from every process's count, so it counts from when it is "
                 "mapped", When(3, "bits", _MAP_SHARED), *anonymous),
            Rule("mmap", NOTIFY, "the stack of a thread: what is reserved for it is no memory before it is used, so the "
                 "supervisor lets it go beyond RLIMIT_DATA", When(3, "bits", _MAP_STACK)),
            Rule("mmap", NOTIFY, "the supervisor notes a request beyond the memory limit (it then fails by RLIMIT_DATA)",
                 When(1, ">=", large), When(2, "bits", PROT_WRITE)),
            Rule("mprotect", NOTIFY, "what a runtime that a program starts reserves for its code (V8: 512 MiB) is no "
                 "memory before it is used", When(1, ">=", LARGE_RESERVATION_BYTES), When(2, "bits", PROT_WRITE)),
            Rule("mremap", NOTIFY, "the same when a block grows", When(2, ">=", large)),
        ]  # fmt: skip
    if notify and (warm or announced_end):
        table.append(
            Rule(
                "exit_group",
                NOTIFY,
                "no attack: the answer of a warm worker leaves before the kernel has taken its memory apart, and a memory "
                "limit that is exceeded before the first look is told from what is held then",
            )
        )
    return (*table, *ALLOWED)
