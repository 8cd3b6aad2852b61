"""`observatory demo`: 200 mixed chat requests through the whole path, then what they cost, from TimescaleDB."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import aiohttp

from observatory.adapters.kafka import topic_name
from observatory.adapters.postgres.app import ApiKeys
from observatory.adapters.postgres.costs import CostQuery, watermark
from observatory.adapters.settings import Settings
from observatory.cli.costs import show_costs
from observatory.cli.demo_requests import HttpCall, http_calls, topic_requests
from observatory.cli.options import Json
from observatory.cli.output import stderr
from observatory.cli.outside import START, database, settings
from observatory.cli.problems import FAILED, Problem
from observatory.cli.publish import progress_bar
from observatory.cli.publishing import PublishRun
from observatory.cli.verify import wait_until_quiet
from schemas.chat import ChatRequested
from schemas.topics import LLM_CALLS

ANSWERS_S = 60.0
LEDGER_S = 20.0
EXPECTED_FAILURES = 1
_PAUSE_S = 0.05


@dataclass
class _Http:
    """What became of the calls over HTTP."""

    good: int = 0
    bad: int = 0


async def demo(*, json: Json = False) -> int:
    """Send 200 mixed chat requests through the whole path and show what they cost.

    Plain and streamed, OpenAI's, Azure's and Anthropic's protocols, conversations with history, tool calls, cached
    tokens, refusals that succeed on retry, one unknown model; 190 through the topic, 10 over HTTP. All are answered by
    the provider simulator, whatever keys are set. One request is meant to fail: the unknown model.
    """
    config = settings()
    began, since = time.monotonic(), datetime.now(UTC)
    requests, calls = topic_requests(), http_calls()
    http = _Http()
    with progress_bar(enabled=True) as progress:
        bar = progress.add_task("answers", total=len(requests) + len(calls))

        def advance() -> None:
            progress.advance(bar)

        run = PublishRun(on_published=lambda *_: None, on_outcome=lambda *_: advance())
        await asyncio.gather(
            run.send_and_wait(config.kafka, _each(requests), timeout_s=ANSWERS_S),
            _call_all(config, calls, http, advance),
        )
    answered_s = time.monotonic() - began
    await _until_in_ledger(config)
    good, failed = run.totals.completed + http.good, run.totals.failed + http.bad
    say = stderr().print
    say(f"{good} answered and {failed} failed in {answered_s:.1f} s (the unknown model is meant to fail);")
    say(f"all in the ledger after {time.monotonic() - began:.1f} s. Read back from TimescaleDB:\n")
    await show_costs(config, CostQuery(since=since, exact=True), as_json=json)
    if not json:
        _say_where_next(config)
    return 0 if failed == EXPECTED_FAILURES and not run.missing else FAILED


async def _each(requests: list[ChatRequested]) -> AsyncIterator[ChatRequested]:
    for request in requests:
        yield request


async def _call_all(config: Settings, calls: list[HttpCall], http: _Http, advance: Callable[[], None]) -> None:
    """The calls over HTTP, one after another as a person would make them. Raises `Problem` when the gateway is away."""
    url = f"http://{config.http_host}:{config.http_port}"
    async with _bearer(config) as bearer, aiohttp.ClientSession(base_url=url) as session:
        for call in calls:
            try:
                http.good += await _call(session, bearer, call)
            except aiohttp.ClientError as error:
                raise Problem(f"the gateway at {url} does not answer: {error}; {START}") from error
            advance()
    http.bad = len(calls) - http.good


async def _call(session: aiohttp.ClientSession, bearer: str, call: HttpCall) -> bool:
    body = {"model": call.model, "messages": [{"role": "user", "content": call.text}], "stream": call.stream}
    headers = {
        "authorization": f"Bearer {bearer}",
        "x-observatory-provider": call.provider,
        "x-observatory-user": "demo-http",
        "x-observatory-tags": "source=demo",
    }
    async with session.post("/v1/chat/completions", json=body, headers=headers) as answer:
        text = await answer.text()
        return answer.status == 200 and (not call.stream or "[DONE]" in text)


@asynccontextmanager
async def _bearer(config: Settings) -> AsyncIterator[str]:
    """Any text while the gateway takes any; else a key for the time of the demo."""
    async with database(config.database_url) as pool:
        keys = ApiKeys(pool)
        if not await keys.any_exists():
            yield "demo"
            return
        key, text = await keys.create("demo", "observatory demo")
        try:
            yield text
        finally:
            await keys.revoke(key.key_id)


async def _until_in_ledger(config: Settings) -> None:
    """Returns once every call is in the ledger and its watermark has passed. Raises `Problem` after `LEDGER_S`."""
    answered = datetime.now(UTC)
    deadline = time.monotonic() + LEDGER_S
    busy = await wait_until_quiet(config, LEDGER_S)
    async with database(config.database_url) as pool:
        while time.monotonic() < deadline:
            moment = await watermark(pool, topic_name(config.kafka, LLM_CALLS))
            if busy.quiet and moment is not None and moment >= answered:
                return
            await asyncio.sleep(_PAUSE_S)
    raise Problem(f"the ledger has not caught up within {LEDGER_S:.0f} s ({vars(busy)}); {START}")


def _say_where_next(config: Settings) -> None:
    url = f"http://{config.http_host}:{config.http_port}"
    stderr().print(
        f"""
Next:
  {url}/                   the page: costs, latency, calls, alerts
  observatory top                          the same in the terminal, as it happens
  observatory costs --by tenant            who spent it; --by user, --by conversation, --by time
  observatory verify                       the provider's bill, the attempts, the facts and the rollups agree
  observatory publish "Hello" --wait       a request of your own; --stream shows it as it comes
  observatory subscribe                    follow all answers
  {url}/openapi.json       the HTTP API; OpenAI clients: base_url={url}/v1""",
        markup=False,
        soft_wrap=True,
    )
