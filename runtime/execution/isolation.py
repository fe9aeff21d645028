"""Which layers of the sandbox are in force for programs, and what of the floor is missing."""

from runtime.sandbox.layers import Enforceable


class Isolation(Enforceable, frozen=True):
    """What is in force for programs, as `/health` shows it."""

    process_limit: str
    shared_memory: bool
    #: What is missing of the floor: empty where the executor may serve.
    missing: tuple[str, ...]
    #: Whether anything is.
    weak: bool


def isolation(enforceable: Enforceable, disabled: tuple[str, ...], highest_abi: int, concurrency: int) -> Isolation:
    """What will be in force: what the host can enforce, less what a test has switched off."""
    abi = 0 if "landlock" in disabled else min(enforceable.landlock_abi, highest_abi)
    seccomp = enforceable.seccomp and "seccomp" not in disabled
    notify = seccomp and enforceable.user_notification and "notify" not in disabled
    own_uid = enforceable.own_uid and "own_uid" not in disabled
    missing = []
    if not abi and not own_uid:
        missing.append("neither Landlock nor a uid of its own for each run")
    if not seccomp:
        missing.append("no seccomp filter")
    missing += [f"{layer} switched off for a test" for layer in ("rlimits", "watcher") if layer in disabled]
    if not enforceable.no_new_privileges:
        missing.append("no_new_privs cannot be set")
    return Isolation(
        landlock_abi=abi,
        seccomp=seccomp,
        user_notification=notify,
        own_uid=own_uid,
        no_new_privileges=enforceable.no_new_privileges,
        pid_namespace=enforceable.pid_namespace and "pid_namespace" not in disabled,
        process_limit="exact" if notify else "by uid" if own_uid else "none",
        shared_memory=concurrency == 1,
        missing=tuple(missing),
        weak=bool(missing),
    )
