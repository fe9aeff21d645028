"""When the end of a program's output is told, which another program reads."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

from devtools.executor import until
from runtime.execution.codec import event_of, receive_frame
from runtime.execution.events import Events
from runtime.execution.live_run import LiveRun
from runtime.execution.procfs import is_exiting
from runtime.execution.protocol import Event, Job, Limits
from runtime.execution.workers import Worker


@contextmanager
def live_run(pid: int) -> Iterator[tuple[LiveRun, socket.socket, int]]:
    """One of a paired job with the process `pid`, the server's end of its connection, and the program's end of its stdout."""
    ours, theirs = os.pipe2(os.O_NONBLOCK)
    server, control = socket.socketpair()
    streams = SimpleNamespace(stdout=ours, stderr=ours, stdin=-1)
    job = Job(argv=("x",), env={}, files=(), limits=Limits(1, 1, 1), live=True, paired=True)
    with server, control:
        server.settimeout(0.2)
        worker = cast(Worker, SimpleNamespace(streams=streams, pid=pid))
        yield LiveRun(worker, job, control, Events()), server, theirs
        os.close(ours)


def told(server: socket.socket) -> list[Event]:
    found = []
    try:
        while frame := receive_frame(server):
            found.append(event_of(frame[1])[0])
    except TimeoutError:
        return found
    return found


def test_the_end_of_an_output_that_is_closed_is_told_while_the_program_goes_on() -> None:
    with live_run(os.getpid()) as (live, server, theirs):
        os.close(theirs)
        live.stdout.read_and_pause(1.0)
        assert told(server) == [Event.END_OF_STDOUT]
        assert not live.stdout.open


def test_the_end_of_an_output_is_not_told_for_a_while_where_the_program_is_just_ending() -> None:
    ended: subprocess.Popen[Any] = subprocess.Popen([sys.executable, "-c", "pass"])
    try:
        assert until(lambda: is_exiting(ended.pid))
        with live_run(ended.pid) as (live, server, theirs):
            os.close(theirs)
            live.stdout.read_and_pause(1.0)
            assert told(server) == []
            assert live.stdout.open
            assert live.stdout.resume_at > 1.0
            for moment in range(2, 60):
                if live.stdout.open:
                    live.stdout.read_and_pause(float(moment))
            # By then it would be gone: another thread goes on.
            assert told(server) == [Event.END_OF_STDOUT]
    finally:
        ended.wait()


def test_no_end_is_told_once_the_outcome_is_about_to_tell_it() -> None:
    with live_run(os.getpid()) as (live, server, theirs):
        os.write(theirs, b"last words")
        os.close(theirs)
        live.stdout.drain()
        assert told(server) == [Event.STDOUT]
