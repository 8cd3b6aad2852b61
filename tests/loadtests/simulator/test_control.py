"""Outages for everybody, health, and the bill over HTTP."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest

from loadtests.simulator.bill import BillLine, read_bill
from tests.loadtests.simulator.running import RunningSimulator, new_call, running_simulator

HELLO = [{"role": "user", "content": "hello"}]


@pytest.fixture
def own(tmp_path: Path) -> Iterator[RunningSimulator]:
    """A simulator that no other test calls."""
    with running_simulator(tmp_path / "bill.jsonl", "--latency-ms", "1") as running:
        yield running


async def call(http: httpx2.AsyncClient, model: str = "gpt-4o-mini") -> int:
    answer = await http.post("/v1/chat/completions", json={"model": model, "messages": HELLO})
    return answer.status_code


async def test_an_outage_lasts_until_it_is_taken_back(own: RunningSimulator) -> None:
    async with httpx2.AsyncClient(base_url=own.url) as http:
        await http.post("/sim/control", json={"fault": "503"})
        assert await call(http) == 503
        assert await call(http, "gpt-4o@fault=429") == 429
        state = (await http.post("/sim/control", json={"fault": None})).json()
        assert await call(http) == 200
    assert state == {"fault": None, "fault_rate": 1.0, "latency_ms": 1, "ttft_ms": 0}


async def test_a_fault_rate_is_kept_and_the_same_seed_makes_the_same_faults(own: RunningSimulator) -> None:
    async with httpx2.AsyncClient(base_url=own.url) as http:
        rounds = []
        for _ in range(2):
            await http.post("/sim/control", json={"fault": "500", "fault_rate": 0.3, "seed": 7, "latency_ms": 0})
            rounds.append([await call(http) for _ in range(100)])
    assert rounds[0] == rounds[1]
    assert 15 <= rounds[0].count(500) <= 45
    assert rounds[0].count(200) == 100 - rounds[0].count(500)


@pytest.mark.parametrize(
    "change",
    [{"fault": "418"}, {"fault_rate": 2}, {"latency_ms": -1}, {"ttft_ms": 1e9}, {"colour": "red"}, [], {"seed": "x"}],
)
async def test_a_bad_change_is_refused_and_changes_nothing(own: RunningSimulator, change: object) -> None:
    async with httpx2.AsyncClient(base_url=own.url) as http:
        assert (await http.post("/sim/control", json=change)).status_code == 400
        assert await call(http) == 200


async def test_health_counts_calls(own: RunningSimulator) -> None:
    async with httpx2.AsyncClient(base_url=own.url) as http:
        await call(http)
        health = (await http.get("/sim/health")).json()
    assert health == {"ok": True, "pid": own.process.pid, "served": 1, "in_flight": 0}


async def test_the_bill_is_read_from_where_the_last_reading_ended(own: RunningSimulator) -> None:
    async with httpx2.AsyncClient(base_url=own.url) as http:
        await call(http)
        first = await http.get("/sim/bill")
        offset = first.headers["x-sim-next-offset"]
        await call(http)
        second = await http.get("/sim/bill", params={"after": offset})
        nothing = await http.get("/sim/bill", params={"after": second.headers["x-sim-next-offset"]})
        for wrong in ("3", "-1", "x", "999999"):
            assert (await http.get("/sim/bill", params={"after": wrong})).status_code == 400
    assert first.content + second.content == own.bill.read_bytes()
    assert first.content.count(b"\n") == second.content.count(b"\n") == 1
    assert nothing.content == b""


async def test_a_long_bill_comes_whole(own: RunningSimulator) -> None:
    with own.bill.open("ab") as file:
        file.write(b'{"not": "of this run"}\n' * 200_000)
    own.kill()
    with running_simulator(own.bill) as restarted:
        async with httpx2.AsyncClient(base_url=restarted.url) as http:
            answer = await http.get("/sim/bill")
    assert answer.content == own.bill.read_bytes()


async def test_the_bill_is_complete_until_the_oldest_call_in_flight(own: RunningSimulator) -> None:
    async with httpx2.AsyncClient(base_url=own.url) as http:
        await call(http)
        before = datetime.now(UTC)
        quiet = (await http.get("/sim/bill/status")).json()
        call_id, headers = new_call()
        body = {"model": "gpt-4o@gap=60000", "messages": HELLO, "stream": True}
        async with http.stream("POST", "/v1/chat/completions", json=body, headers=headers):
            line: BillLine = await own.open_line(call_id)
            busy = (await http.get("/sim/bill/status")).json()
        await own.line(call_id)
        after = (await http.get("/sim/bill/status")).json()
    assert quiet["in_flight"] == 0
    assert datetime.fromisoformat(quiet["complete_until"]) >= before
    assert (busy["in_flight"], busy["complete_until"]) == (1, line.received_at)
    assert datetime.fromisoformat(after["complete_until"]) > datetime.fromisoformat(line.received_at)
    assert after["bytes"] == own.bill.stat().st_size
    assert len(list(read_bill(own.bill))) == 2
