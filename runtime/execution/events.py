"""Descriptors that a supervisor waits for while it watches a run, each with the function that sees to it."""

import select
from collections.abc import Callable

Handler = Callable[[int], None]


class Events:
    """Calls the handler of each descriptor that is ready, with what poll(2) reports of it."""

    def __init__(self) -> None:
        """Waits for nothing yet."""
        self._poller = select.poll()
        self._handlers: dict[int, Handler] = {}

    def __contains__(self, descriptor: int) -> bool:
        """Whether `descriptor` is waited for."""
        return descriptor in self._handlers

    def listen(self, descriptor: int, handler: Handler, events: int = select.POLLIN) -> None:
        """Has `handler` called whenever `descriptor` is ready for one of `events`."""
        self._poller.register(descriptor, events)
        self._handlers[descriptor] = handler

    def ignore(self, descriptor: int) -> None:
        """Waits for `descriptor` no more, if it was waited for."""
        if self._handlers.pop(descriptor, None):
            self._poller.unregister(descriptor)

    def handle(self, milliseconds: float, is_over: Callable[[], bool]) -> None:
        """Waits for so long for whatever comes first, and has it seen to until `is_over`."""
        for descriptor, event in self._poller.poll(milliseconds):
            # An earlier handler may have ignored it.
            if handler := self._handlers.get(descriptor):
                handler(event)
            if is_over():
                break  # what else there is can be looked at after the answer

    def clear(self) -> None:
        """Waits for nothing any more, and lets go of the handlers with all that they hold."""
        self._handlers.clear()
