"""Parts of a run's identity that its supervisor takes on for a moment, to look at it or to set its limits."""

import os

from runtime.sandbox.syscalls import setfsgid, setfsuid


class ReadingAs:
    """While entered, files are reached with the identity of `uid`, which may look into its own processes and folders.

    Without it a supervisor that has CAP_SETUID, but neither CAP_SYS_PTRACE nor CAP_DAC_OVERRIDE, could not see how much
    memory a run shares, nor remove what is in a folder that the run has closed.
    """

    def __init__(self, uid: int) -> None:
        """`uid` 0 or below changes nothing."""
        self._uid = uid

    def __enter__(self) -> None:
        """Takes the identity on."""
        if self._uid > 0:
            setfsgid(self._uid)
            setfsuid(self._uid)

    def __exit__(self, *_: object) -> None:
        """Gives it back."""
        if self._uid > 0:
            setfsuid(os.geteuid())
            setfsgid(os.getegid())


class ActingAs:
    """While entered, this process has the real identity of `uid`, which is what prlimit(2) compares.

    Without it a supervisor that has CAP_SETUID but not CAP_SYS_RESOURCE could not set the limits of a run; root in a
    container is often such a one.
    """

    def __init__(self, uid: int) -> None:
        """`uid` 0 or below changes nothing."""
        self._uid = uid

    def __enter__(self) -> None:
        """Takes the identity on; the effective one and with it the capabilities stay."""
        if self._uid > 0:
            os.setresgid(self._uid, -1, -1)
            os.setresuid(self._uid, -1, -1)

    def __exit__(self, *_: object) -> None:
        """Gives it back."""
        if self._uid > 0:
            os.setresuid(os.geteuid(), -1, -1)
            os.setresgid(os.getegid(), -1, -1)
