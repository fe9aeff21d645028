"""The log's records on their way to whoever reads them."""

import asyncio
import os
from datetime import UTC, datetime

from runtime.observability.records import ExecutionRecord, Log


def _record(number: int) -> ExecutionRecord:
    return ExecutionRecord(
        time=datetime(2026, 1, 1, tzinfo=UTC), request_id=str(number), language="python", status="ok", total_time=1.0,
        queue_time=0.0, cpu_time=1.0, wall_time=1.0, memory=1,
    )  # fmt: skip


def test_records_arrive_in_order_though_they_are_written_in_batches() -> None:
    reader, writer = os.pipe()

    async def write() -> None:
        log = Log(writer)
        for number in range(100):
            log.write(_record(number))
        with open(reader, "rb") as file:
            lines.extend(await asyncio.wait_for(asyncio.to_thread(lambda: [file.readline() for _ in range(100)]), 30))
        assert log.lost == 0

    lines: list[bytes] = []
    asyncio.run(write())
    os.close(writer)
    assert [line.split(b'"request_id":"')[1].split(b'"')[0] for line in lines] == [str(n).encode() for n in range(100)]


def test_every_record_that_nobody_can_read_any_more_counts_as_lost() -> None:
    reader, writer = os.pipe()
    os.close(reader)

    async def write() -> None:
        log = Log(writer)
        for number in range(100):
            log.write(_record(number))
        log.flush()
        assert log.lost == 100

    asyncio.run(write())
    os.close(writer)
