"""Others on the same disk, who make room there while a run takes it, do not hide what the run takes."""

import contextlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from devtools.executor import Executor, until
from runtime.execution.paths import BOX
from runtime.execution.process_tree import descendants

_CODE = {
    # Each ends unseen, since its parent waits for none: its writes are in no account.
    "children that nobody waits for": """
import os, signal, socket, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
ours, theirs = socket.socketpair()
time.sleep(0.5)
for n in range(30):
    if os.fork() == 0:
        fd = os.open(f"f{n}", os.O_RDWR | os.O_CREAT | os.O_EXCL); os.unlink(f"f{n}")
        for _ in range(9): os.write(fd, b"x" * (1 << 20))
        socket.send_fds(ours, [b"x"], [fd]); os._exit(0)
    time.sleep(0.05)
time.sleep(3); print("270 MiB")
""",
    # Slowly, so that names are counted in between, when there are none.
    "files without a name": """
import os, time
kept = []
time.sleep(0.5)
for n in range(30):
    kept.append(os.open("f", os.O_RDWR | os.O_CREAT | os.O_EXCL)); os.unlink("f")
    for _ in range(9): os.write(kept[-1], b"x" * (1 << 20))
    time.sleep(0.12)
print("270 MiB")
""",
}


def _runs(executor: Executor) -> bool:
    """Whether a program is about to run: its directory has the name that the program sees."""
    assert executor.pid
    for pid in descendants([executor.pid]):
        with contextlib.suppress(OSError):  # it has just ended
            if os.readlink(f"/proc/{pid}/cwd").endswith(f"/{BOX}"):
                return True
    return False


@pytest.mark.parametrize("code", [pytest.param(code, id=name) for name, code in _CODE.items()])
def test_room_that_others_make_hides_nothing(executor: Executor, code: str, tmp_path: Path) -> None:
    with (tmp_path / "others").open("wb") as others:
        os.posix_fallocate(others.fileno(), 0, 500 << 20)

    def make_room() -> None:
        assert until(lambda: _runs(executor))
        (tmp_path / "others").unlink()

    with ThreadPoolExecutor() as pool:
        room = pool.submit(make_room)
        run = executor.execute("python", code, timeout=10)
        room.result()
    assert (run["status"], run["limited_by"]) == ("runtime_error", "disk"), run
