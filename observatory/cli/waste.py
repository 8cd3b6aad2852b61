"""`observatory waste`: what attempts cost that gave no answer, by cause."""

import dataclasses
from datetime import UTC, datetime
from typing import Annotated

from cyclopts import Parameter
from rich.table import Table

from observatory.adapters.kafka import topic_name
from observatory.adapters.postgres.costs import watermark
from observatory.adapters.postgres.waste import WasteGrouping, WasteQuery, WasteRow, read_waste
from observatory.cli.costs import watermark_line
from observatory.cli.options import Json, Until, parse_moment
from observatory.cli.output import add_row, print_json, stdout, table
from observatory.cli.outside import database, settings
from schemas.topics import LLM_CALLS


async def waste(
    *,
    by: Annotated[WasteGrouping, Parameter(help="What the calls are grouped by.")] = "cause",
    since: Annotated[str, Parameter(help="From when: '30m', '2h', '7d' ago, an RFC 3339 time, or 'all'.")] = "24h",
    until: Until = None,
    tenant: Annotated[str | None, Parameter(help="Only this tenant.")] = None,
    model: Annotated[str | None, Parameter(help="Only this model, as the provider named it.")] = None,
    json: Json = False,
) -> int:
    """What attempts cost that gave no answer: failed, cut, malformed, abandoned, or lost with their worker.

    Each call has one cause. What came after it is told beside: a retry at the same provider, a fallback to another
    one, or nothing. Costs are exact; what is estimated until it is reconciled is shown apart and included.

    Some uses:

    `observatory waste`

    `observatory waste --by model --since 7d --tenant acme`
    """
    config = settings()
    now = datetime.now(UTC)
    query = WasteQuery(
        by=by,
        since=None if since == "all" else parse_moment(since, now),
        until=parse_moment(until, now),
        tenant=tenant,
        model=model,
    )
    async with database(config.database_url) as pool:
        complete_to = await watermark(pool, topic_name(config.kafka, LLM_CALLS))
        rows, total = await read_waste(pool, query)
    if json:
        groups = [{by: row.key, **_figures(row)} for row in rows]
        period = {"since": query.since, "until": query.until, "complete_until": complete_to}
        print_json({**period, "by": by, "groups": groups, "total": _figures(total)}, indent=True)
    else:
        stdout().print(_table(by, rows, total))
        stdout().print(watermark_line(complete_to))
    return 0


def _figures(row: WasteRow) -> dict[str, object]:
    return {name: value for name, value in dataclasses.asdict(row).items() if name != "key"}


def _table(by: str, rows: list[WasteRow], total: WasteRow) -> Table:
    result = table(
        [by, "calls", "cost $", "estimated $", "unpriced", "retried $", "fallback $", "given up $"],
        expendable=("unpriced", "estimated $"),
    )
    for row in rows:
        add_row(result, *_cells(row, row.key))
    result.add_section()
    add_row(result, *_cells(total, "total"), style="bold")
    return result


def _cells(row: WasteRow, label: object) -> tuple[object, ...]:
    return (
        label,
        row.calls,
        row.cost_usd,
        row.estimated_cost_usd,
        row.unpriced_calls,
        row.retried_cost_usd,
        row.fallback_cost_usd,
        row.given_up_cost_usd,
    )
