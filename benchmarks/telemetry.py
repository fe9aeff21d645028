"""`python -m benchmarks.telemetry`: a server that sends telemetry beside one that does not, in one run.

Both answer the same requests in turns, so that whatever else the machine does concerns both. The receiver is a process of
its own, as a collector is. Memory is that of the server alone, after the requests.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from devtools.executor import Executor, running

_BODY = {"language": "python", "code": "print(42)", "test_cases": [{"id": "1", "input": "", "expected_output": "42"}]}
_WARM_UP = 50
# Until the successor of the worker that has served is up, as between two students.
_PAUSE_SECONDS = 0.01
_MOST_MS, _MOST_MB = 0.1, 5.0


def main() -> None:
    """Prints the table; ends with 1 where telemetry costs more than it may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=2000, help="of each server")
    parser.add_argument("--protocol", choices=("http/protobuf", "grpc", "application insights"), default="http/protobuf")
    options = parser.parse_args()
    with ExitStack() as stack:
        receiver = subprocess.Popen(
            (sys.executable, "-m", "benchmarks.telemetry_receiver"), stdout=subprocess.PIPE, text=True
        )
        stack.callback(receiver.kill)
        if receiver.stdout is None:
            raise SystemExit("the receiver was not started")
        url, grpc = receiver.stdout.readline().split()
        servers = {
            "off": stack.enter_context(running()),
            "on": stack.enter_context(running(_settings(options.protocol, url, grpc))),
        }
        times: dict[str, list[float]] = {name: [] for name in servers}
        for number in range(_WARM_UP + options.requests):
            for name, server in servers.items():
                milliseconds = _request(server)
                if number >= _WARM_UP:
                    times[name].append(milliseconds)
                time.sleep(_PAUSE_SECONDS)
        memory = {name: _memory_mb(server) for name, server in servers.items()}
    print(f"{options.protocol}, {options.requests} judged requests each\n")
    print("| telemetry | p50, ms | p95, ms | memory, MiB |\n|---|---|---|---|")
    for name, found in times.items():
        p95 = statistics.quantiles(found, n=20)[-1]
        print(f"| {name} | {statistics.median(found):.3f} | {p95:.3f} | {memory[name]:.1f} |")
    more_ms = statistics.median(times["on"]) - statistics.median(times["off"])
    more_mb = memory["on"] - memory["off"]
    print(f"\nIt adds {more_ms:+.3f} ms to p50 (at most {_MOST_MS}) and {more_mb:+.1f} MiB (at most {_MOST_MB:g}).")
    if more_ms > _MOST_MS or more_mb > _MOST_MB:
        raise SystemExit(1)


def _settings(protocol: str, url: str, grpc: str) -> Mapping[str, str]:
    often = {"OTEL_METRIC_EXPORT_INTERVAL": "5000"}
    if protocol == "application insights":
        text = f"InstrumentationKey=00000000-0000-0000-0000-000000000001;IngestionEndpoint={url}"
        return {"APPLICATIONINSIGHTS_CONNECTION_STRING": text, **often}
    place = grpc if protocol == "grpc" else url
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": place, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol, **often}


def _request(server: Executor) -> float:
    started = time.perf_counter()
    response = server.post(_BODY)
    milliseconds = (time.perf_counter() - started) * 1000
    if response.json()["status"] != "accepted":
        raise SystemExit(response.text)
    return milliseconds


def _memory_mb(server: Executor) -> float:
    """What the server's process holds by itself, with its share of what others hold as well."""
    lines = Path(f"/proc/{server.pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


if __name__ == "__main__":
    main()
