"""The providers against the simulator over real connections: what they say of a call is what its bill says."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from observatory.adapters.prices import shipped_book
from observatory.adapters.providers.base import ChatCall, LLMProvider
from observatory.adapters.providers.openai import openai_provider
from observatory.adapters.providers.registry import Providers
from observatory.adapters.settings import ProviderSettings
from observatory.rules.pricing import PriceQuery
from schemas.calls import Usage
from tests.observatory.adapters.providers.calls import answer_to, asked, call_of, failure_of, streamed
from tests.simulator import Simulator, running_simulator

CONCURRENCY = 150
KINDS = ("openai", "azure", "anthropic")


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with running_simulator(tmp_path_factory.mktemp("simulator")) as running:
        yield running


@pytest.fixture
async def providers(simulator: Simulator) -> AsyncIterator[Providers]:
    settings = ProviderSettings.model_validate({"OBSERVATORY_SIMULATOR_URL": simulator.url})
    configured = Providers(settings, concurrency=CONCURRENCY)
    yield configured
    await configured.close()


def provider_of(providers: Providers, kind: str) -> LLMProvider:
    provider = providers.named(f"sim-{kind}")
    assert provider is not None
    return provider


def call_to(kind: str, directives: str, *, stream: bool = False, timeout_s: float = 20.0, **fields: object) -> ChatCall:
    model = "claude-haiku-4-5" if kind == "anthropic" else "gpt-4o-mini"
    request = asked(f"hello [[sim {directives}]]", **{"model": model, "stream": stream, **fields})
    return call_of(request, timeout_s=timeout_s)


def billed_usage(bill: dict[str, object]) -> Usage:
    return Usage.model_validate({name: bill[name] for name in Usage.model_fields if name in bill})


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("kind", "model", "directives"),
    [
        ("openai", "gpt-4o-mini", "in=374 out=44 cached=100"),
        ("openai", "o3", "in=5000 out=700 reasoning=512"),
        ("azure", "gpt-4.1", "in=9000 out=1 cached=8192"),
        ("anthropic", "claude-haiku-4-5", "in=4000 out=30 cached=1000 cache5m=500 cache1h=250"),
        ("anthropic", "claude-sonnet-4-5", "in=200000 out=10"),
        ("anthropic", "claude-sonnet-4-5", "in=200001 out=10 cached=100000"),
    ],
)
async def test_usage_and_cost_are_those_of_the_bill(
    simulator: Simulator, providers: Providers, kind: str, model: str, directives: str, stream: bool
) -> None:
    call = call_to(kind, directives, stream=stream, model=model)
    answer = await answer_to(provider_of(providers, kind), call)
    bill = simulator.bill_of(call.call_id)
    assert (bill["provider"], bill["attempt"], bill["request_id"]) == (kind, 1, str(call.request_id))
    assert answer.response_id == bill["provider_response_id"]
    assert answer.usage == billed_usage(bill)
    query = PriceQuery(kind=kind, model=answer.response_model, at=datetime.now(UTC), service_tier=answer.service_tier)
    cost = shipped_book().cost(query, answer.usage)
    assert cost is not None
    assert cost[0] == Decimal(str(bill["cost_usd"]))


@pytest.mark.parametrize("kind", KINDS)
async def test_a_stream_says_the_same_as_a_plain_answer(providers: Providers, kind: str) -> None:
    provider = provider_of(providers, kind)
    plain = await provider.chat(call_to(kind, "in=10 out=20"))
    chunks, answer = await streamed(provider, call_to(kind, "in=10 out=20 chunks=20", stream=True))
    assert len(chunks) == 20
    assert "".join(chunk.text for chunk in chunks) == answer.message["content"] == plain.message["content"]
    assert (answer.finish_reason, answer.usage) == (plain.finish_reason, plain.usage) == ("stop", answer.usage)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_tool_is_called(providers: Providers, kind: str, stream: bool) -> None:
    parameters = {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]}
    tools = [{"type": "function", "function": {"name": "weather", "parameters": parameters}}]
    answer = await answer_to(provider_of(providers, kind), call_to(kind, "tool=1", stream=stream, tools=tools))
    (tool_call,) = answer.message["tool_calls"]
    assert answer.finish_reason == "tool_calls"
    assert tool_call["function"]["name"] == "weather"
    assert "place" in json.loads(tool_call["function"]["arguments"])


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", KINDS)
async def test_an_answer_that_was_capped_says_so(providers: Providers, kind: str, stream: bool) -> None:
    call = call_to(kind, "out=50", stream=stream, max_output_tokens=5)
    answer = await answer_to(provider_of(providers, kind), call)
    assert answer.finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.output_tokens == 5


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", ["openai", "azure"])
async def test_usage_that_was_not_told_is_none(providers: Providers, kind: str, stream: bool) -> None:
    answer = await answer_to(provider_of(providers, kind), call_to(kind, "nousage=1", stream=stream))
    assert answer.usage is None
    assert answer.message["content"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("directives", "error_type", "retryable"),
    [
        ("fault=400", "invalid_request", False),
        ("fault=401", "authentication_error", False),
        ("fault=429 retryafter=1.5", "rate_limited", True),
        ("fault=500", "server_error", True),
        ("fault=503", "overloaded", True),
        ("fault=529", "overloaded", True),
    ],
)
async def test_a_refusal_costs_nothing_and_says_so(
    simulator: Simulator,
    providers: Providers,
    kind: str,
    directives: str,
    error_type: str,
    retryable: bool,
    stream: bool,
) -> None:
    call = call_to(kind, directives, stream=stream)
    error = await failure_of(provider_of(providers, kind), call)
    assert (error.error_type, error.retryable, error.billing) == (error_type, retryable, "none")
    assert error.retry_after_s == (1.5 if "retryafter" in directives else None)
    assert simulator.bill_of(call.call_id)["billed"] is False


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", KINDS)
async def test_an_unknown_model_is_told_apart(providers: Providers, kind: str, stream: bool) -> None:
    error = await failure_of(provider_of(providers, kind), call_to(kind, "", stream=stream, model="gpt-nine"))
    assert (error.error_type, error.retryable, error.billing) == ("no_such_model", False, "none")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("directives", "stream", "error_type"),
    [
        ("fault=cut-before", False, "connection_error"),
        ("fault=cut-before", True, "connection_error"),
        ("fault=cut-after", False, "connection_error"),
        ("fault=cut-mid", False, "connection_error"),
        ("fault=cut-mid out=20 chunks=10", True, "stream_cut"),
        ("fault=malformed", False, "malformed_response"),
        ("fault=malformed-chunk out=20 chunks=10", True, "malformed_response"),
    ],
)
async def test_what_may_have_been_served_may_have_been_billed(
    providers: Providers, kind: str, directives: str, stream: bool, error_type: str
) -> None:
    error = await failure_of(provider_of(providers, kind), call_to(kind, directives, stream=stream))
    assert (error.error_type, error.billing, error.retryable) == (error_type, "unknown", True)
    assert bool(error.received_text) == (stream and "chunks" in directives)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("directives", "stream"),
    [("fault=timeout", False), ("latency=60000", False), ("ttft=60000", True), ("gap=60000 chunks=3 out=9", True)],
)
async def test_the_budget_of_a_call_ends_it_wherever_it_is(
    providers: Providers, kind: str, directives: str, stream: bool
) -> None:
    call = call_to(kind, directives, stream=stream, timeout_s=0.3)
    error = await asyncio.wait_for(failure_of(provider_of(providers, kind), call), 10)
    assert (error.error_type, error.billing, error.retryable) == ("timeout", "unknown", True)


async def test_nobody_listening_is_surely_not_billed() -> None:
    provider = openai_provider("x", api_key="k", base_url="http://127.0.0.1:1/v1", concurrency=1)
    error = await failure_of(provider, call_to("openai", ""))
    await provider.close()
    assert (error.error_type, error.billing, error.retryable) == ("connection_error", "none", True)


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
async def test_as_many_calls_as_were_asked_for_are_in_flight_at_once(
    simulator: Simulator, providers: Providers, kind: str
) -> None:
    provider = provider_of(providers, kind)
    calls = [asyncio.create_task(provider.chat(call_to(kind, "latency=60000"))) for _ in range(CONCURRENCY)]
    try:
        async with asyncio.timeout(20):
            while await asyncio.to_thread(in_flight, simulator) < CONCURRENCY:
                assert not any(call.done() for call in calls)
    finally:
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


async def test_a_reader_that_leaves_a_stream_closes_it(simulator: Simulator, providers: Providers) -> None:
    call = call_to("openai", "gap=50 chunks=1000 out=2000", stream=True)
    stream = provider_of(providers, "openai").stream_chat(call)
    await anext(stream)
    await stream.aclose()
    bill = await asyncio.to_thread(simulator.bill_of, call.call_id)
    assert bill["state"] == "cut"


def in_flight(simulator: Simulator) -> int:
    with urllib.request.urlopen(f"{simulator.url}/sim/bill/status", timeout=5) as answer:
        return int(json.load(answer)["in_flight"])
