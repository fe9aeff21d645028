"""The receiver of `benchmarks.telemetry`, in a process of its own: prints its addresses, and forgets what arrives."""

import time

from devtools.receiver import receiving

if __name__ == "__main__":
    with receiving() as receiver:
        print(receiver.url, receiver.grpc, flush=True)
        while True:
            time.sleep(1)
            for kept in (receiver.traces, receiver.metrics, receiver.envelopes, receiver.headers):
                kept.clear()
