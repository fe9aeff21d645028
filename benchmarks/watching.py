"""`python -m benchmarks.watching`: what it costs to watch programs that have much to look at.

Each program makes something of which there may be many, says so, and sleeps. Meanwhile the CPU time of the supervisors is
counted, which is the watch's: no other job is there.
"""

import argparse
import threading
import time

from benchmarks.place import Place
from devtools.executor import Executor
from runtime.execution.process_tree import children, descendants
from runtime.execution.procfs import process_clock_ns

_SECONDS = 8.0
_MOST_PERCENT = 2.0
_SETTINGS = {
    "EXECUTOR_MAX_FILES": "200000", "EXECUTOR_MAX_DISK_MB": "1024", "EXECUTOR_MAX_TIMEOUT_SECONDS": "30",
    # Where new files are dear, twenty thousand take ten.
    "EXECUTOR_MAX_TIME_LIMIT_SECONDS": "30",
}  # fmt: skip
_PROGRAMS = {
    "nothing": "",
    "20,000 files in 20 folders": """
for folder in range(20):
    os.mkdir(str(folder))
    for number in range(1000): os.close(os.open(f"{folder}/{number}", os.O_CREAT | os.O_WRONLY))
""",
    "60,000 mappings": """
rights = (mmap.PROT_READ, mmap.PROT_READ | mmap.PROT_WRITE)
kept = [mmap.mmap(-1, 4096, prot=rights[number % 2]) for number in range(60_000)]
""",
    "120 threads": """
threading.stack_size(1 << 16)
for _ in range(120): threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
""",
    "9 children of 10 MiB": """
kept = bytearray(10 << 20)
for _ in range(9):
    if os.fork() == 0: time.sleep(60); os._exit(0)
""",
    "200 open files of 256 KiB without a name": """
kept = []
for _ in range(200):
    kept.append(os.open("f", os.O_CREAT | os.O_RDWR | os.O_EXCL)); os.unlink("f"); os.write(kept[-1], bytes(1 << 18))
""",
}
_BEGIN, _END = "import mmap, os, threading, time\n", '\nos.write(1, b"made\\n"); time.sleep(60)'


def main() -> None:
    """Prints the table; ends with 1 where watching costs more than it may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", default="", help="the executor in a container of this image, not on this machine")
    options = parser.parse_args()
    print("| a program that sleeps beside | of one core, % |\n|---|---|")
    too_much = False
    with Place(options.image, ("--memory", "1g")).executor(_SETTINGS) as (executor, _):
        executor.execute("python", "pass")
        for name, code in _PROGRAMS.items():
            percent = _watched(executor, code)
            too_much |= percent > _MOST_PERCENT
            print(f"| {name} | {percent:.2f} |", flush=True)
    if too_much:
        raise SystemExit(1)


def _watched(executor: Executor, code: str) -> float:
    """The supervisors' share of one core while the program sleeps, in percent."""
    answers: list[str] = []
    body = {"language": "python", "code": _BEGIN + code + _END, "timeout": 30, "memory_limit_mb": 512}
    request = threading.Thread(target=lambda: answers.append(executor.post(body).text))
    request.start()
    supervisors = _supervisors(executor)
    # Until it has made what it is to have; a program that fails to is found by its answer.
    used = -1
    while (now := sum(map(process_clock_ns, descendants(supervisors[1:])[len(supervisors) - 1 :]))) != used:
        used = now
        time.sleep(1)
    began, cpu_began = time.monotonic(), sum(map(process_clock_ns, supervisors))
    time.sleep(_SECONDS)
    watched, spent = sum(map(process_clock_ns, supervisors)) - cpu_began, time.monotonic() - began
    request.join()
    if "made" not in answers[0] or "time_limit_exceeded" not in answers[0]:
        raise SystemExit(f"the program did not come as far as it should: {answers[0][:500]}")
    return watched / spent / 1e7


def _supervisors(executor: Executor) -> list[int]:
    """The spawner and the supervisors that it forked, as this machine numbers them."""
    if executor.pid is None:
        raise SystemExit("the executor's processes are not on this machine")
    # In a container the first process is its init.
    server = children(executor.pid)[0] if executor.container else executor.pid
    spawner = children(server)[0]
    return [spawner, *children(spawner)]


if __name__ == "__main__":
    main()
