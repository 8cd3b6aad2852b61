"""What was answered is in the bill, whoever dies or leaves."""

import asyncio
import contextlib
import signal
from pathlib import Path

import httpx2
import openai
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam

from loadtests.simulator.bill import read_bill
from tests.loadtests.simulator.running import RunningSimulator, new_call, running_simulator

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hello"}]


async def test_after_a_kill_every_answered_call_is_in_the_bill(tmp_path: Path) -> None:
    bill, answered, tokens_read = tmp_path / "bill", set[str](), dict[str, int]()
    enough = asyncio.Event()

    async def client_loop(client: AsyncOpenAI, number: int) -> None:
        while True:
            call_id, headers = new_call()
            if number % 2:
                await client.chat.completions.create(model="gpt-4o-mini", messages=HELLO, extra_headers=headers)
            else:
                stream = await client.chat.completions.create(
                    model="gpt-4o-mini@out=5;gap=1", messages=HELLO, extra_headers=headers, stream=True
                )
                tokens_read[call_id] = 0
                async for chunk in stream:
                    tokens_read[call_id] += 1 if chunk.choices[0].delta.content else 0
            answered.add(call_id)
            if len(answered) > 500:
                enough.set()

    with running_simulator(bill) as simulator:
        async with simulator.openai() as client:
            loops = [asyncio.ensure_future(client_loop(client, number)) for number in range(16)]
            await enough.wait()
            simulator.kill()
            await asyncio.gather(*loops, return_exceptions=True)
    lines = {line.call_id: line for line in read_bill(bill)}
    assert len(answered) > 500
    assert answered <= lines.keys()
    assert tokens_read.keys() <= lines.keys()
    assert all(lines[call_id].state == "served" for call_id in answered)
    assert all(lines[call_id].output_tokens == 5 for call_id in answered & tokens_read.keys())
    assert all(lines[call_id].uncached_input_tokens > 0 for call_id in tokens_read)


async def test_a_stream_that_was_open_at_a_kill_bills_its_input_and_a_restart_appends(tmp_path: Path) -> None:
    bill = tmp_path / "bill"
    call_id, headers = new_call()
    with running_simulator(bill) as simulator:
        async with simulator.openai() as client:
            stream = await client.chat.completions.create(
                model="gpt-4o@in=10;out=8;gap=60000", messages=HELLO, extra_headers=headers, stream=True
            )
            assert (await anext(aiter(stream))).choices
            simulator.kill()
            await stream.close()
    with running_simulator(bill) as simulator:
        later, headers = new_call()
        async with simulator.openai() as client:
            await client.chat.completions.create(model="gpt-4o", messages=HELLO, extra_headers=headers)
        lines = simulator.lines()
    assert (lines[call_id].state, lines[call_id].billed) == ("open", True)
    assert (lines[call_id].uncached_input_tokens, lines[call_id].output_tokens) == (10, 0)
    assert lines[call_id].cost_usd == "0.000025"
    assert lines[later].state == "served"


async def test_a_client_that_leaves_a_plain_call_has_still_to_pay_for_it(simulator: RunningSimulator) -> None:
    call_id, headers = new_call()
    async with simulator.openai(timeout_s=0.1) as client:
        with pytest.raises(openai.APITimeoutError):
            await client.chat.completions.create(
                model="gpt-4o@in=10;out=8;latency=300", messages=HELLO, extra_headers=headers
            )
    line = await simulator.line(call_id)
    assert (line.state, line.http_status, line.output_tokens) == ("served", 200, 8)


async def test_a_client_that_leaves_a_stream_pays_for_the_chunks_that_were_sent(simulator: RunningSimulator) -> None:
    call_id, headers = new_call()
    async with simulator.openai() as client:
        stream = await client.chat.completions.create(
            model="gpt-4o@in=10;out=8;gap=60000", messages=HELLO, extra_headers=headers, stream=True
        )
        async for chunk in stream:
            if chunk.choices[0].delta.content:
                break
        await stream.close()
    line = await simulator.line(call_id)
    assert (line.state, line.billed, line.uncached_input_tokens, line.output_tokens) == ("cut", True, 10, 1)


async def test_a_client_that_leaves_before_the_first_token_pays_for_the_input(simulator: RunningSimulator) -> None:
    call_id, headers = new_call()
    async with simulator.openai(timeout_s=0.1) as client:
        with pytest.raises(openai.APITimeoutError):
            await client.chat.completions.create(
                model="gpt-4o@in=10;out=8;ttft=60000", messages=HELLO, extra_headers=headers, stream=True
            )
    line = await simulator.line(call_id)
    assert (line.state, line.http_status, line.uncached_input_tokens, line.output_tokens) == ("cut", None, 10, 0)


async def test_a_stop_bills_everything_and_ends_cleanly(tmp_path: Path) -> None:
    bill = tmp_path / "bill"
    plain, plain_headers = new_call()
    slow, slow_headers = new_call()
    refused, refused_headers = new_call()
    with running_simulator(bill) as simulator:
        async with httpx2.AsyncClient(base_url=simulator.url, timeout=60) as http:
            calls = [
                asyncio.ensure_future(http.post("/v1/chat/completions", json=body, headers=headers))
                for body, headers in (
                    ({"model": "gpt-4o@in=1;out=2;latency=200", "messages": HELLO}, plain_headers),
                    ({"model": "gpt-4o@in=3;out=4;latency=60000", "messages": HELLO}, slow_headers),
                    ({"model": "gpt-4o@fault=500;latency=60000", "messages": HELLO}, refused_headers),
                )
            ]
            await simulator.in_flight(3)
            simulator.process.send_signal(signal.SIGTERM)
            assert (await calls[0]).status_code == 200
            for call in calls[1:]:
                with contextlib.suppress(httpx2.TransportError):
                    await call
        assert simulator.process.wait(10) == 0
    lines = {line.call_id: line for line in read_bill(bill)}
    assert {call_id: (line.state, line.output_tokens) for call_id, line in lines.items()} == {
        plain: ("served", 2),
        slow: ("served", 4),
        refused: ("refused", 0),
    }
