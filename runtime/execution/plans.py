"""What the workers of one slot are confined to, by their kind."""

import os
from functools import cached_property

import msgspec

from runtime.execution.protocol import SupervisorConfig
from runtime.sandbox import bpf, seccomp
from runtime.sandbox.confinement import Confinement, prepared


class Plans:
    """The confinements of a slot's workers."""

    def __init__(self, config: SupervisorConfig) -> None:
        """`config` is the slot's. Raises OSError where descriptors run out."""
        self._config = config
        #: For a worker that becomes any program.
        self.cold = self._prepared(self._filter())
        #: For an interpreter that is started ahead.
        self.warm = self._prepared(self._filter(warm=True))

    @cached_property
    def announcing(self) -> Confinement:
        """As `cold`, where the supervisor is to see what the program holds at its end. Few runs need it."""
        return msgspec.structs.replace(self.cold, program=self._filter(announced_end=True))

    def _prepared(self, program: bytes) -> Confinement:
        config = self._config
        return prepared(config.rules, config.landlock_abi, program, notify=config.notify, own_pids=config.own_pid_namespace)

    def _filter(self, *, warm: bool = False, announced_end: bool = False) -> bytes:
        """The filter of system calls, empty for none."""
        config = self._config
        if not config.seccomp:
            return b""
        table = seccomp.rules(
            notify=config.notify,
            shared_uid=config.first_uid == 0,
            own_pid_namespace=config.own_pid_namespace,
            devices_readable_only=config.landlock_abi > 0,
            neighbours=not config.alone,
            warm=warm,
            announced_end=announced_end,
            service_pids=(*config.service_pids, os.getpid()),
        )
        return bpf.assemble(table, "ENOSYS")
