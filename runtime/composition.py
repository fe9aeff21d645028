"""What the start composes out of settings, languages and host: what programs may read, and which workers are kept ready."""

import logging
import os
from dataclasses import dataclass

from runtime.execution import leftovers
from runtime.execution.executor import Executor, WeakIsolationError
from runtime.execution.protocol import WarmStart
from runtime.http.doors.languages import further_languages
from runtime.languages.ahead import Ahead
from runtime.languages.cache_folder import UnusableError, default_folder, opened
from runtime.languages.preamble import compiled_ahead
from runtime.languages.registry import LanguageFileError, Registry, load
from runtime.sandbox import landlock
from runtime.sandbox.syscalls import PR_SET_CHILD_SUBREAPER, PR_SET_DUMPABLE, prctl
from runtime.settings import NO_CACHE, Settings, SettingsError, read_settings

_log = logging.getLogger(__name__)
WRONG_SETTINGS, CANNOT_ISOLATE = 2, 3


class StartError(Exception):
    """The executor cannot be started; the message is for a person, `exit_code` for the process."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True)
class Start:
    """What has been started: the slots are not open yet."""

    settings: Settings
    executor: Executor
    registry: Registry
    ahead: Ahead
    #: Why programs must not be run here; empty where they may.
    floor: str


def start(*, slots: int = 0) -> Start:
    """Reads the settings, tries the host and configures the executor; raises StartError.

    `slots` replaces the setting where it is not 0. It must be called before there is an event loop.
    """
    try:
        settings, languages = _settings(), load()
    except (SettingsError, LanguageFileError) as error:
        raise StartError(str(error), WRONG_SETTINGS) from error
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # Nobody of the same uid may look into the process that holds the keys; what is left behind comes to it.
    prctl(PR_SET_DUMPABLE, 0)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    if not os.access(settings.work_parent(), os.W_OK | os.X_OK):
        raise StartError(f"EXECUTOR_WORK_DIR: cannot write to {settings.work_parent()!r}", WRONG_SETTINGS)
    try:
        executor = Executor(
            concurrency=slots or settings.concurrency,
            work_parent=settings.work_parent(),
            disabled=settings.test_disable_layers,
            highest_abi=settings.test_landlock_abi,
        )
        executor.start()
    except OSError as error:
        raise StartError(str(error), CANNOT_ISOLATE) from error
    floor = ""
    try:
        executor.require_floor(allow_weak=settings.allow_weak_isolation)
    except WeakIsolationError as error:
        floor = str(error)
    can_execute = not os.statvfs(executor.root).f_flag & os.ST_NOEXEC
    registry = Registry(languages, settings.path, can_execute_files=can_execute)
    if not registry.languages:
        executor.close()
        raise StartError(f"EXECUTOR_PATH is {settings.path!r}: no language's toolchain is there", WRONG_SETTINGS)
    # A command that runs one program would be over before a header is made.
    ahead = Ahead() if slots else _ahead(executor, registry, settings)
    configure(executor, registry, settings, ahead.folder)
    return Start(settings, executor, registry, ahead, floor)


def _ahead(executor: Executor, registry: Registry, settings: Settings) -> Ahead:
    """What compilers find made ahead, with a cache folder only where the image has nothing for a language."""
    folder = ""
    missing = any(
        (language.ahead and not compiled_ahead(language.ahead)) or (language.archive and not os.path.exists(language.archive))
        for language in registry.languages.values()
    )
    # A program that could write to the folder could put code into those of others.
    if missing and settings.cache_dir != NO_CACHE and not executor.isolation.weak:
        try:
            wanted = settings.cache_dir or default_folder(os.environ)
            folder = str(opened(wanted, readable_for_all=executor.isolation.own_uid))
        except UnusableError as error:
            _log.warning("EXECUTOR_CACHE_DIR is not used: %s", error)
    return Ahead(folder, settings.path, executor.isolation.own_uid)


def _settings() -> Settings:
    """This process's settings; raises SettingsError."""
    settings = read_settings()
    if not settings.store:
        return settings
    from runtime.store.blobs import check_url  # noqa: PLC0415 - a start without a store need not wait for it
    from runtime.store.errors import StoreUrlError  # noqa: PLC0415

    try:
        check_url(settings.store)
    except StoreUrlError as error:
        raise SettingsError([f"EXECUTOR_STORE {error}"]) from error
    return settings


def configure(executor: Executor, registry: Registry, settings: Settings, cache: str) -> None:
    """Tells the executor, which has been started and whose slots are not open yet, all that it needs for programs.

    Those may read the folder `cache`, where there is one.
    """
    executor.configure(_landlock_rules(executor, registry, cache), _worker_plans(executor, registry, settings))


def _landlock_rules(executor: Executor, registry: Registry, cache: str) -> tuple[tuple[str, int], ...]:
    """Paths that every program may use, each with Landlock's rights below it."""
    rules = (*registry.readable(), (executor.bootstrap, landlock.READ))
    if cache:
        rules = (*rules, (cache, landlock.READ))
    if executor.isolation.shared_memory:
        rules = (*rules, (leftovers.SHARED_MEMORY, landlock.SHARED_MEMORY))
    return rules


def _worker_plans(executor: Executor, registry: Registry, settings: Settings) -> dict[str, tuple[WarmStart, ...]]:
    """For each box, the workers to keep ready in it; in a half there are none before a run asks for them."""
    memory_mb = settings.default_memory_mb
    return {
        slot.box: tuple(
            WarmStart(
                name=language.warm.kind or language.name,
                argv=registry.command(
                    language.warm.run, box=slot.box, bootstrap=executor.bootstrap, memory_mb=memory_mb
                ),
                env=registry.environment(language, slot.box, memory_mb),
                forks=language.warm.forks,
                ready=language.warm.ready,
                on_demand=language.warm.on_demand or slot not in executor.slots,
            )
            for language in (*registry.languages.values(), *further_languages(settings, registry))
            if language.warm and registry.worker_of(language)
        )
        for slot in executor.every_slot()
    }  # fmt: skip
