"""`observatory anomalies`: what strayed from the usual, now and before; and how providers serve."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import orjson
from cyclopts import App, Parameter

from observatory.adapters.anomaly_views import anomaly_row, health_views
from observatory.adapters.postgres.anomalies import AnomalyQuery, watermark
from observatory.adapters.postgres.anomalies import anomalies as read_anomalies
from observatory.adapters.postgres.health import read_health
from observatory.cli.options import AtMost, Json, Since, parse_moment
from observatory.cli.output import add_row, print_json, stderr, stdout, table
from observatory.cli.outside import database, settings
from schemas.http_anomalies import ProviderHealthList

anomalies = App(
    name="anomalies",
    help="""Anomalies: cost, errors, latency or tokens a call of a tenant's model that stray from what is usual.

What is usual is learnt from the traffic itself, by the hour of workdays and weekends. Each anomaly names the calls to
look at; it is an alert of the kind anomaly, too.

Some uses:

`observatory anomalies list`

`observatory anomalies list --all --since 7d --json`

`observatory anomalies providers`""",
)


@anomalies.command(name="list")
async def list_anomalies(
    *,
    all_: Annotated[bool, Parameter(name="--all", show_default=False, help="Those that are over too.")] = False,
    tenant: Annotated[str | None, Parameter(help="Only those of one tenant.")] = None,
    model: Annotated[str | None, Parameter(help="Only those of one model.")] = None,
    since: Since = "24h",
    limit: AtMost = 50,
    json: Json = False,
) -> int:
    """List the anomalies that stand, newest first."""
    now = datetime.now(UTC)
    wanted = AnomalyQuery(
        start=parse_moment(since, now) or now - timedelta(days=1),
        end=now + timedelta(minutes=1),
        tenants=[] if tenant is None else [tenant],
        standing=None if all_ else True,
        metric=None,
        model=model,
    )
    async with database(settings().database_url) as pool:
        until = await watermark(pool)
        found = [anomaly_row(one) for one in await read_anomalies(pool, wanted, None, limit)]
    if json:
        rows = [orjson.loads(row.model_dump_json()) for row in found]
        print_json({"watermark": until, "anomalies": rows}, indent=True)
    elif not found:
        stdout().print("There are no anomalies." if all_ else "No anomaly stands.")
    else:
        rows_shown = table(["raised", "resolved", "tenant", "message", "look at"], left=5)
        for row in found:
            style = None if row.resolved_at else "red" if row.severity == "critical" else "yellow"
            first = str(row.look_at[0]) if row.look_at else None
            add_row(rows_shown, row.raised_at, row.resolved_at, row.tenant_id, row.message, first, style=style)
        stdout().print(rows_shown)
        if len(found) == limit:
            stderr().print(f"Only the newest {limit} are shown (--limit).")
    return 0


@anomalies.command
async def providers(*, json: Json = False) -> int:
    """How providers and their models served in the last minute."""
    async with database(settings().database_url) as pool:
        found = health_views(await read_health(pool), figures=True)
    if json:
        print_json(orjson.loads(ProviderHealthList(providers=found).model_dump_json()), indent=True)
    elif not found:
        stdout().print("No provider was called lately.")
    else:
        rows = table(["provider", "model", "state", "since", "calls", "errors", "faults", "p95 ms"], left=4)
        for provider in found:
            add_row(
                rows, provider.provider, None, provider.state, provider.since, provider.calls, provider.errors,
                provider.faults, None, style=None if provider.state == "healthy" else "red",
            )  # fmt: skip
            for one in provider.models:
                add_row(rows, None, one.model, one.state, one.since, one.calls, one.errors, one.faults, one.p95_ms)
        stdout().print(rows)
    return 0
