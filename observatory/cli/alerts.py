"""`observatory alerts`: budgets at a threshold, models without a price, anomalies; now, before, and as they come."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import orjson
from cyclopts import App, Parameter

from observatory.adapters.kafka import Record, Unreadable, read_event, topic_name
from observatory.adapters.postgres.alerts import Alerts, StoredAlert
from observatory.cli.following import follow as follow_topic
from observatory.cli.options import AtMost, Json, Since, parse_duration, parse_moment
from observatory.cli.output import add_row, cell, print_json, stderr, stdout, table
from observatory.cli.outside import database, settings
from schemas.alerts import ALERT_TYPES, AlertEvent, AlertResolved
from schemas.topics import ALERT_EVENTS

alerts = App(
    name="alerts",
    help="""Alerts: budgets that reach a threshold, models that have no price, anomalies.

They are raised by the ledger and the stream workers, stand until what they say is over, and are events on the topic
alert.events.

Some uses:

`observatory alerts list`

`observatory alerts list --all --since 7d --json`

`observatory alerts follow`""",
)

Kind = Annotated[str | None, Parameter(help="Only this kind, for example budget_threshold, unpriced_model or anomaly.")]
Tenant = Annotated[str | None, Parameter(help="Only those of one tenant.")]


@alerts.command(name="list")
async def list_alerts(
    *,
    all_: Annotated[bool, Parameter(name="--all", show_default=False, help="Resolved ones too.")] = False,
    tenant: Tenant = None,
    kind: Kind = None,
    since: Since = None,
    limit: AtMost = 50,
    json: Json = False,
) -> int:
    """List the alerts that stand, newest first."""
    moment = parse_moment(since, datetime.now(UTC))
    async with database(settings().database_url) as pool:
        standing = None if all_ else True
        found = await Alerts(pool).page(tenant, standing=standing, kind=kind, since=moment, after=None, limit=limit)
    if json:
        print_json([_figures(alert) for alert in found], indent=True)
    elif not found:
        stdout().print("No alert stands." if not all_ else "There are no alerts.")
    else:
        rows = table(["raised", "resolved", "severity", "tenant", "message"], left=5)
        for alert in found:
            style = None if alert.resolved_at else "red" if alert.severity == "critical" else "yellow"
            add_row(
                rows, alert.raised_at, alert.resolved_at, alert.severity, alert.tenant_id, alert.message, style=style
            )
        stdout().print(rows)
        if len(found) == limit:
            stderr().print(f"Only the newest {limit} are shown (--limit).")
    return 0


@alerts.command
async def follow(
    *,
    tenant: Tenant = None,
    kind: Kind = None,
    limit: Annotated[AtMost | None, Parameter(help="End after so many events.")] = None,
    timeout: Annotated[str | None, Parameter(help="End after this time, for example 30s; else never.")] = None,
    json: Json = False,
) -> int:
    """Show alerts as they are raised and resolved, each event once."""
    kafka = settings().kafka
    timeout_s = None if timeout is None else parse_duration(timeout).total_seconds()
    shown: set[tuple[str, UUID]] = set()
    async with follow_topic(kafka, topic_name(kafka, ALERT_EVENTS), "end") as follower:
        async for records in follower.batches(timeout_s=timeout_s):
            for event in map(_event, records):
                if event is None or tenant not in (None, event.tenant_id) or kind not in (None, event.kind):
                    continue
                if (event.ce_type, event.alert_id) not in shown:
                    _show(event, as_json=json)
                    shown.add((event.ce_type, event.alert_id))
                if limit is not None and len(shown) >= limit:
                    return 0
    return 0


def _event(record: Record) -> AlertEvent | None:
    try:
        return read_event(record, *ALERT_TYPES)[1]
    except Unreadable as error:
        stderr().print(f"{record.partition}-{record.offset} is unreadable: {error}", markup=False)
        return None


def _show(event: AlertEvent, *, as_json: bool) -> None:
    if as_json:
        print_json({"type": event.ce_type, **orjson.loads(event.to_json())})
        return
    over = isinstance(event, AlertResolved)
    when = cell(event.resolved_at if isinstance(event, AlertResolved) else event.raised_at)
    stdout().print(f"{when}  {'resolved' if over else event.severity:<8}  {event.message}", markup=False)


def _figures(alert: StoredAlert) -> dict[str, object]:
    return {name: getattr(alert, name) for name in StoredAlert.__dataclass_fields__}
