"""The system calls that every program may make, with what each group is for."""

from runtime.sandbox.rule import ALLOW, Rule

#: Behind all other rules: where one of those says something of such a call, this is the rest of it.
ALLOWED = (
    Rule(
        "read write open close stat fstat lstat lseek pread64 pwrite64 readv writev preadv pwritev preadv2 pwritev2 "
        "access dup dup2 dup3 getdents getdents64 creat openat openat2 newfstatat faccessat faccessat2 statx sendfile "
        "splice tee copy_file_range readahead fadvise64 ftruncate truncate fsync fdatasync sync_file_range fcntl "
        "ioctl close_range",
        ALLOW,
        "files: Landlock and the file system's own rights say which",
    ),
    Rule(
        "mkdir rmdir rename link unlink symlink readlink mknod mkdirat mknodat unlinkat renameat renameat2 linkat "
        "symlinkat readlinkat getcwd chdir fchdir umask statfs fstatfs chmod fchmod fchmodat utime utimes futimesat "
        "utimensat",
        ALLOW,
        "names, in the run's own directory: likewise",
    ),
    Rule(
        "getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr getxattrat listxattrat file_getattr",
        ALLOW,
        "reads attributes that nobody can set",
    ),
    Rule(
        "flock",
        ALLOW,
        "a lock for each open file; it goes with the run",
    ),
    Rule(
        "mmap mprotect munmap brk mremap msync mincore madvise mlock munlock mlockall munlockall mlock2 pkey_mprotect "
        "pkey_alloc pkey_free mseal membarrier",
        ALLOW,
        "memory: bounded for each process and in all",
    ),
    Rule(
        "clone fork vfork execve execveat exit exit_group wait4 waitid set_tid_address",
        ALLOW,
        "processes and threads: counted when they begin",
    ),
    Rule(
        "futex futex_waitv futex_wake futex_wait futex_requeue set_robust_list get_robust_list rseq sched_yield",
        ALLOW,
        "threads that wait for each other",
    ),
    Rule(
        "rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait rt_sigsuspend sigaltstack pause "
        "restart_syscall signalfd signalfd4 kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_open "
        "pidfd_send_signal",
        ALLOW,
        "signals within the run; a number of a process that can be sent to comes from a call that was looked at",
    ),
    Rule(
        "poll select pselect6 ppoll epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 eventfd "
        "eventfd2 pipe pipe2 inotify_init inotify_init1 inotify_add_watch inotify_rm_watch",
        ALLOW,
        "pipes and waiting: bounded by the number of descriptors",
    ),
    Rule(
        "socketpair sendto recvfrom sendmsg recvmsg sendmmsg recvmmsg shutdown getsockname getpeername setsockopt getsockopt",
        ALLOW,
        "socket pairs within the run; descriptors that are on their way through one are counted there",
    ),
    Rule(
        "nanosleep getitimer alarm setitimer clock_gettime clock_getres clock_nanosleep gettimeofday time times "
        "timer_create timer_settime timer_gettime timer_getoverrun timer_delete timerfd_create timerfd_settime "
        "timerfd_gettime",
        ALLOW,
        "time; timers are bounded by RLIMIT_SIGPENDING and by the number of descriptors",
    ),
    Rule(
        "getpid getppid gettid getuid geteuid getgid getegid getresuid getresgid getgroups getpgid getpgrp getsid "
        "setpgid setsid uname sysinfo getcpu getrandom getrlimit setrlimit prlimit64 getrusage capget",
        ALLOW,
        "what a process is; limits can only be lowered",
    ),
    Rule(
        "setuid setgid setreuid setregid setgroups setresuid setresgid setfsuid setfsgid capset",
        ALLOW,
        "the kernel refuses what is not the process's own already: there is no capability",
    ),
    Rule(
        "getpriority setpriority sched_setparam sched_getparam sched_setscheduler sched_getscheduler "
        "sched_getattr sched_setaffinity sched_getaffinity sched_get_priority_max sched_get_priority_min "
        "sched_rr_get_interval ioprio_get ioprio_set migrate_pages move_pages",
        ALLOW,
        "its own place among others, and only lower",
    ),
    Rule(
        "prctl arch_prctl seccomp",
        ALLOW,
        "further limits on itself, its name, its thread-local storage",
    ),
)
