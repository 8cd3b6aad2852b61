"""`observatory top`: what is happening now, in a terminal; once for scripts with --once or --json."""

import asyncio
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlsplit

from cyclopts import Parameter

from observatory.cli.bars import stdout_draws_blocks
from observatory.cli.options import Json
from observatory.cli.output import add_row, print_json, stderr, stdout, table
from observatory.cli.outside import settings
from observatory.cli.problems import FAILED, wrong_usage
from observatory.cli.top_feed import NOT_YET
from observatory.cli.top_observed import LIVE_S, Observed
from observatory.cli.top_sources import LedgerBooks, observing
from observatory.cli.top_views import ModelsView
from observatory.cli.top_words import head
from observatory.rules.live_windows import LiveFigures

LISTEN_S = 3.0
"""So long a snapshot listens before it says what it has heard."""

ASKED_WITHIN_S = 10.0
WIDE = 200


async def top(
    *,
    url: Annotated[str | None, Parameter(help="The gateway; else the one of OBSERVATORY_HTTP_HOST and _PORT.")] = None,
    key: Annotated[
        str | None, Parameter(env_var="OBSERVATORY_API_KEY", help="An API key; what its tenant may see is shown.")
    ] = None,
    once: Annotated[bool, Parameter(show_default=False, help="Print what is now, and end.")] = False,
    json: Json = False,
) -> int:
    """Watch throughput, cost, latency, errors, lag, budgets and alerts as they are, second by second.

    Rates are of the live feed; tables are of the last hour. `?` tells the keys. With --once, with --json, or where
    the output is no terminal, it is printed once; the exit code is then 1 when a part could not be asked.

    Some uses:

    `observatory top`

    `observatory top --url https://gateway.example.org`

    `observatory top --json`
    """
    config = settings()
    observed = Observed(_address(url or f"http://{config.http_host}:{config.http_port}"))
    headers = {"authorization": f"Bearer {key}"} if key else {}
    async with observing(config, observed, headers) as api:
        if not (once or json or not sys.stdout.isatty()):
            from observatory.cli.top_app import Top  # takes a fifth of a second, which no other command is to wait for

            await Top(observed, LedgerBooks(config, api)).run_async()
            return 0
        await _listen(observed)
    if json:
        print_json(snapshot(observed), indent=True)
    else:
        _print(observed)
    return FAILED if observed.wrong() else 0


def _address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise wrong_usage(f"--url {url!r}: write for example http://127.0.0.1:8080")
    return url.rstrip("/")


async def _listen(observed: Observed) -> None:
    """Returns when everything has been asked, and the feed was heard for a while or does not answer."""
    feed = observed.feed

    def asked() -> bool:
        answered = observed.answers is not None or "API" in observed.problems
        return observed.work is not None and answered and feed.problem != NOT_YET

    with suppress(TimeoutError):
        async with asyncio.timeout(ASKED_WITHIN_S):
            while not asked():  # noqa: ASYNC110  # several parts are waited for
                await asyncio.sleep(0.05)
    if not feed.problem:
        await asyncio.sleep(LISTEN_S)


def snapshot(observed: Observed) -> dict[str, object]:
    """Everything that is known; money as decimal strings with all digits, durations in ms."""
    feed, work, answers = observed.feed, observed.work, observed.answers
    return {
        "at": datetime.now(UTC),
        "url": observed.url,
        "problems": observed.wrong(),
        "live": {
            "connected": not feed.problem,
            "tenant_id": feed.tenant_id,
            "complete_until": feed.complete_until,
            "in_flight": feed.in_flight,
            **_figures(observed.live()),
            "models": [
                {"provider": provider, "model": model, **_figures(figures)}
                for (provider, model), figures in observed.live_models().items()
            ],
        },
        "last_hour": None if answers is None else {
            "models": [_group(asdict(line), "provider", "model") for line in answers.models],
            "tenants": [_group(asdict(line), "tenant") for line in answers.tenants],
        },
        "budgets": None if answers is None else [budget.model_dump() for budget in answers.budgets],
        "alerts": None if answers is None else [alert.model_dump() for alert in answers.alerts],
        "lags": None if work is None or work.lags is None else [asdict(lag) for lag in work.lags],
        "dead_letters": None if work is None or work.letters is None else [asdict(lag) for lag in work.letters],
        "under_way": None if work is None or work.busy is None else vars(work.busy),
        "watermark": None if work is None else work.watermark,
    }  # fmt: skip


def _figures(live: LiveFigures) -> Mapping[str, object]:
    return {
        "seconds": LIVE_S,
        "calls": live.calls,
        "errors": live.errors,
        "unpriced_calls": live.unpriced_calls,
        "calls_per_s": live.calls_per_s,
        "tokens_per_s": live.tokens_per_s,
        "error_rate": live.error_rate,
        "cost_usd": live.cost_usd,
        "usd_per_hour": live.usd_per_hour,
        "latency_p50_ms": live.latency_ms(0.5),
        "latency_p95_ms": live.latency_ms(0.95),
        "latency_p99_ms": live.latency_ms(0.99),
        "ttft_p95_ms": live.ttft_ms(0.95),
    }


def _group(line: dict[str, object], *names: str) -> dict[str, object]:
    values = line.pop("name")
    assert isinstance(values, tuple)
    return {**dict(zip(names, values, strict=True)), **line}


def _print(observed: Observed) -> None:
    lines = head(observed, datetime.now(UTC), blocks=stdout_draws_blocks())
    for line in lines[:5]:
        stdout().print(line, markup=False)
    view = ModelsView()
    rows = table(view.columns)
    for _, cells in view.rows(observed, WIDE):
        add_row(rows, *cells)
    stdout().print()
    stdout().print(rows)
    for problem in observed.wrong():
        stderr().print(f"! {problem}", markup=False)
