"""The bench's HTTP clients against a real socket."""

import pytest

from loadtests.bench.closed_loop import ClosedLoop
from loadtests.bench.http import Answer, Connection, post
from loadtests.bench.paced import Paced
from loadtests.bench.problems import BenchError
from loadtests.bench.tally import Check
from tests.loadtests.bench.gateway import gateway, in_pieces, none, plain

REQUEST = post("127.0.0.1", "/v1/chat/completions", b"{}")


def keeping(seen: list[Answer]) -> Check:
    """A check that every answer passes and that keeps it."""

    def check(answer: Answer) -> bool:
        seen.append(answer)
        return True

    return check


async def test_a_closed_loop_counts_what_was_answered_in_its_time() -> None:
    async with gateway(plain) as (host, port):
        loop = ClosedLoop(REQUEST, lambda answer: answer.status == 200, connections=4, seconds=0.3)
        tally = await loop.run(host, port)
    assert tally.errors == 0
    assert len(tally.latencies) > 4
    assert all(0 < latency < 0.3 for latency in tally.latencies)
    assert tally.per_second == pytest.approx(len(tally.latencies) / 0.3)


async def test_an_answer_that_comes_in_pieces_is_read_whole() -> None:
    seen: list[Answer] = []
    async with gateway(in_pieces) as (host, port):
        await ClosedLoop(REQUEST, keeping(seen), connections=1, seconds=0.2).run(host, port)
    assert {answer.body for answer in seen} == {b"e\r\ndata: [DONE]\n\r\n0\r\n\r\n"}
    assert all(answer.begun_at < answer.first_at <= answer.ended_at for answer in seen)


async def test_headers_are_found_whatever_their_case() -> None:
    seen: list[Answer] = []
    async with gateway(plain) as (host, port):
        await ClosedLoop(REQUEST, keeping(seen), connections=1, seconds=0.1).run(host, port)
    assert seen[0].header(b"x-observatory-cost-usd") == "0.5"
    assert seen[0].header(b"x-other") is None


async def test_an_answer_that_is_not_what_was_asked_for_is_an_error_and_no_latency() -> None:
    async with gateway(plain) as (host, port):
        tally = await ClosedLoop(REQUEST, lambda _: False, connections=1, seconds=0.1).run(host, port)
    assert tally.errors > 0
    assert tally.latencies == []
    assert tally.first_error == "200 {}"


async def test_a_connection_that_closes_without_an_answer_ends_the_measurement() -> None:
    async with gateway(none) as (host, port):
        with pytest.raises(BenchError, match="closed a connection"):
            await ClosedLoop(REQUEST, lambda _: True, connections=2, seconds=5).run(host, port)


async def test_nobody_listening_is_a_clear_error() -> None:
    async with gateway(plain) as (host, port):
        pass
    with pytest.raises(BenchError, match=f"127.0.0.1:{port}"):
        await ClosedLoop(REQUEST, lambda _: True, connections=1, seconds=5).run(host, port)


async def test_a_paced_client_sends_its_number_at_its_rate() -> None:
    answers: list[Answer] = []

    def note(_: Connection, answer: Answer) -> None:
        answers.append(answer)

    async with gateway(plain) as (host, port):
        await Paced(REQUEST, note, rate=200, seconds=0.25).run(host, port)
    assert len(answers) == 50
    begun = sorted(answer.begun_at for answer in answers)
    assert begun[-1] - begun[0] >= 49 / 200 * 0.99


async def test_a_paced_client_whose_connections_close_says_so() -> None:
    async with gateway(none) as (host, port):
        with pytest.raises(BenchError, match="closed"):
            await Paced(REQUEST, lambda _, __: None, rate=50, seconds=0.1).run(host, port)
