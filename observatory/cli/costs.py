"""`observatory costs`: what calls cost, with all digits, and up to when that is complete."""

import dataclasses
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from observatory.adapters.kafka import topic_name
from observatory.adapters.postgres.costs import (
    Adjustments,
    CostQuery,
    CostRow,
    Grouping,
    read_adjustments,
    read_costs,
    watermark,
)
from observatory.adapters.settings import Settings
from observatory.cli.bars import stdout_draws_blocks
from observatory.cli.cost_bars import cost_bars
from observatory.cli.options import AtMost, Json, Until, parse_moment
from observatory.cli.output import add_row, cell, print_json, stderr, stdout, table
from observatory.cli.outside import database, settings
from observatory.rules.money import MONEY
from schemas.topics import LLM_CALLS

_EXPENDABLE = ("ttft p50", "ttft p95", "p50 ms", "cached", "tokens in", "tokens out", "p95 ms", "errors")


async def costs(
    *,
    by: Annotated[Grouping, Parameter(help="What the calls are grouped by.")] = "model",
    since: Annotated[str, Parameter(help="From when: '30m', '2h', '7d' ago, an RFC 3339 time, or 'all'.")] = "24h",
    until: Until = None,
    tenant: Annotated[str | None, Parameter(help="Only this tenant.")] = None,
    provider: Annotated[str | None, Parameter(help="Only this provider.")] = None,
    model: Annotated[str | None, Parameter(help="Only this model, as the provider named it.")] = None,
    user: Annotated[str | None, Parameter(help="Only this user.")] = None,
    conversation: Annotated[str | None, Parameter(help="Only this conversation.")] = None,
    groups: Annotated[AtMost, Parameter(help="How many groups at most; the total is over all.")] = 50,
    json: Json = False,
) -> int:
    """Cost, tokens and latency of calls, exact, from TimescaleDB.

    Costs have all their digits; a terminal gets bars below them, too. Errors are calls that failed; unpriced ones have
    no known price and are missing from the cost; what is estimated until it is reconciled is shown apart and included.
    A call belongs to the minute in which it began. What a provider's bill says beyond the calls (`observatory reconcile
    --book`) stands apart, by whole days.

    Some uses:

    `observatory costs`

    `observatory costs --by tenant --since 7d`

    `observatory costs --by time --since 2h --model gpt-4o-mini`

    `observatory costs --by user --tenant acme --json`
    """
    config = settings()
    now = datetime.now(UTC)
    query = CostQuery(
        by=by,
        since=None if since == "all" else parse_moment(since, now),
        until=parse_moment(until, now),
        tenant=tenant,
        provider=provider,
        model=model,
        user=user,
        conversation=conversation,
        groups=groups,
    )
    await show_costs(config, query, as_json=json)
    return 0


async def show_costs(config: Settings, query: CostQuery, *, as_json: bool) -> None:
    """Reads and prints. Raises `Problem`."""
    async with database(config.database_url) as pool:
        complete_to = await watermark(pool, topic_name(config.kafka, LLM_CALLS))
        rows, total = await read_costs(pool, query)
        adjusted = await read_adjustments(pool, query)
    with_adjustments = MONEY.add(total.cost_usd, adjusted.cost_usd)
    if as_json:
        groups = [{query.by: row.key, **_figures(row)} for row in rows]
        period = {"since": query.since, "until": query.until, "complete_until": complete_to}
        sums = {
            "total": _figures(total),
            "adjustments": vars(adjusted),
            "cost_with_adjustments_usd": with_adjustments,
        }
        print_json({**period, "by": query.by, "groups": groups, **sums}, indent=True)
        return
    out = stdout()
    out.print(_table(query, rows, total, adjusted, with_adjustments))
    if out.is_terminal:
        _draw(out, rows, total)
    if len(rows) == query.groups:
        stderr().print(f"Only the first {query.groups} groups are shown (--groups); the total is over all.")
    stdout().print(watermark_line(complete_to))


def _draw(out: Console, rows: list[CostRow], total: CostRow) -> None:
    """Bars below the table: in the order of its rows."""
    costs = [(cell(row.key), row.cost_usd) for row in rows]
    for line in cost_bars(costs, total.cost_usd, out.width, blocks=stdout_draws_blocks()):
        out.print(line, markup=False, no_wrap=True, crop=False)


def watermark_line(moment: datetime | None) -> str:
    """'complete up to 12:00:03.2 UTC', or that nothing was applied yet."""
    if moment is None:
        return "The ledger has not applied every partition of llm.calls yet."
    return f"complete up to {moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 100_000} UTC"


def _figures(row: CostRow) -> dict[str, object]:
    return {name: value for name, value in dataclasses.asdict(row).items() if name != "key"}


def _table(
    query: CostQuery, rows: list[CostRow], total: CostRow, adjusted: Adjustments, with_adjustments: Decimal
) -> Table:
    columns = [query.by, "calls", "errors", "unpriced", "tokens in", "cached", "tokens out", "cost $", "estimated $"]
    result = table([*columns, "p50 ms", "p95 ms", "ttft p50", "ttft p95"], expendable=_EXPENDABLE)
    for row in rows:
        add_row(result, *_cells(row, row.key))
    result.add_section()
    add_row(result, *_cells(total, "total"), style="bold")
    if adjusted.count:
        blank = [""] * 5
        add_row(result, "adjustments", adjusted.count, *blank, adjusted.cost_usd, *blank)
        add_row(result, "with adjustments", "", *blank, with_adjustments, *blank, style="bold")
    return result


def _cells(row: CostRow, label: object) -> tuple[object, ...]:
    return (
        label,
        row.calls,
        row.errors,
        row.unpriced_calls,
        row.input_tokens,
        row.cached_tokens,
        row.output_tokens,
        row.cost_usd,
        row.estimated_cost_usd,
        row.latency_p50_ms,
        row.latency_p95_ms,
        row.ttft_p50_ms,
        row.ttft_p95_ms,
    )
