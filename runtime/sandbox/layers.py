"""The layers of the sandbox that a host may have, as the spawner reports them to the server."""

import msgspec

#: Uids for runs: above those of people and of system services, so that no account has one.
FIRST_UID = 61_000
UIDS_PER_SLOT = 64


class Enforceable(msgspec.Struct, frozen=True):
    """The layers that hold on this host. `landlock_abi` is 0 and every other field false where a layer does not."""

    landlock_abi: int
    seccomp: bool
    user_notification: bool
    own_uid: bool
    no_new_privileges: bool
    pid_namespace: bool
