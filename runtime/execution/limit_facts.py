"""What all runs of a slot have in common."""

import msgspec

from runtime.execution import leftovers
from runtime.execution.protocol import SupervisorConfig


class SlotFacts(msgspec.Struct, frozen=True):
    """What the runs of a slot have in common."""

    #: Whether the kernel limits each process, and whether the sums are watched.
    rlimits: bool
    watched: bool
    #: Whether this is the only slot, so that the use of a file system or of the container is this run's use.
    alone: bool
    #: File systems in memory on which a run can have files.
    memory_places: tuple[str, ...]
    #: Whether runs may use /dev/shm.
    shared_memory: bool

    @classmethod
    def of(cls, config: SupervisorConfig) -> "SlotFacts":
        """Those of the slot with this configuration; raises OSError where its directory is not there."""
        places = ((config.directory, True), (leftovers.SHARED_MEMORY, config.shared_memory))
        return cls(
            rlimits=config.rlimits,
            watched=config.watcher,
            alone=config.alone,
            shared_memory=config.shared_memory,
            memory_places=tuple(place for place, used in places if used and leftovers.is_memory(place)),
        )
