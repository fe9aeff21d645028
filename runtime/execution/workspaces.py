"""The working directories of one slot: which uid the next one is for, and those that wait for another run."""

from runtime.execution.protocol import SupervisorConfig
from runtime.execution.workspace import Workspace

# One run's is emptied while the next run's is in use.
_MOST_SPARE = 2


class Workspaces:
    """Makes working directories in the slot's own, and keeps empty ones of runs that are over."""

    def __init__(self, config: SupervisorConfig) -> None:
        """Makes none yet."""
        self._config = config
        self._serial = 0
        self._uids = 0
        self._spare: list[Workspace] = []

    def take(self) -> tuple[Workspace, int]:
        """An empty one, and the uid of its run or 0; raises OSError where there is no room for it."""
        uid = self._config.first_uid
        if uid:
            self._uids += 1
            uid += self._uids % self._config.uids
        if self._spare:
            workspace = self._spare.pop()
            try:
                workspace.give_to(uid)
            except OSError:
                workspace.remove()
                raise
            return workspace, uid
        return Workspace.create(self._config.directory, self._next_name(), uid), uid

    def keep(self, workspace: Workspace) -> bool:
        """Empties the directory of a run that is over for a later one; False where it has to be removed.

        Nothing of the run may be alive any more. Raises OSError where something stays.
        """
        if len(self._spare) >= _MOST_SPARE or not workspace.recycle():
            return False
        workspace.rename(self._next_name())
        self._spare.append(workspace)
        return True

    def _next_name(self) -> str:
        self._serial += 1
        return f"w{self._serial}"
