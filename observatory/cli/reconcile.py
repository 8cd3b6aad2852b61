"""`observatory reconcile`: what we booked against what the provider says that it served and billed."""

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from observatory.adapters.bill import BillUnavailable, SimulatorBill
from observatory.adapters.export_reconciliation import NotComparable, Order, Reconciled, reconcile_export
from observatory.adapters.exports.files import Provider
from observatory.adapters.exports.rows import ExportRefused
from observatory.adapters.reconciliation import Result
from observatory.adapters.reconciliation import reconcile as settle
from observatory.adapters.settings import Settings
from observatory.cli import drift
from observatory.cli.options import Json, Since, parse_duration, parse_moment, parse_month
from observatory.cli.output import cell, print_json, stdout
from observatory.cli.outside import database, publisher, settings
from observatory.cli.problems import FAILED, Problem, wrong_usage


async def reconcile(
    *,
    export: Annotated[
        tuple[Path, ...], Parameter(help="A file of the provider's export: .json, .jsonl or .csv; several make one.")
    ] = (),
    provider: Annotated[Provider | None, Parameter(help="Whose export it is.")] = None,
    month: Annotated[str | None, Parameter(help="The month of the export, YYYY-MM; other rows refuse it.")] = None,
    book: Annotated[bool, Parameter(help="Adjust what differs, by model and day.")] = False,
    tenant: Annotated[str, Parameter(help="The tenant that adjustments are booked to.")] = "default",
    wait: Annotated[str, Parameter(help="With --export: how long to wait for the ledger to have all calls.")] = "30s",
    since: Since = None,
    margin: Annotated[str, Parameter(help="How far the clocks of provider and database may be apart.")] = "2s",
    dry_run: Annotated[bool, Parameter(help="Say what would be settled or adjusted and change nothing.")] = False,
    json: Json = False,
) -> int:
    """Settle attempts whose end or usage is not known, and compare what is booked with a provider's export.

    Without --export the simulator's bill is read. What was billed is matched by call: billed calls get its usage at
    our prices, unbilled ones cost nothing, and what the provider never saw was not sent.

    With --export it is read from files: OpenAI's usage and costs (the JSON pages of its organization API, or the CSV
    downloads), Anthropic's usage and cost reports (the same), or rows by call (CSV or JSON Lines with started_at,
    model, response_id or call_id, the usage's buckets and cost_usd). Calls that it names are settled; then it is
    compared by model and day in UTC. --book adjusts the difference; booking again changes nothing, and a corrected
    export books the difference to what was booked before. A month that is closed takes none: the first open one does.

    The exit code is 1 when something is left unsettled or was billed twice, and 2 when the export is refused.

    Some uses:

    `observatory reconcile`

    `observatory reconcile --since 2h --dry-run --json`

    `observatory reconcile --export usage.jsonl --export costs.json --provider openai --month 2026-10`

    `observatory reconcile --export cost_report.json --provider anthropic --month 2026-10 --book`
    """
    if export:
        if provider is None or month is None:
            raise wrong_usage("--export needs --provider and --month")
        order = Order(
            provider=provider,
            month=parse_month(month),
            paths=export,
            tenant_id=tenant,
            book=book,
            dry_run=dry_run,
            patience_s=parse_duration(wait).total_seconds(),
        )
        found = await run_export(settings(), order)
        drift.show(found, order, as_json=json)
        return FAILED if found.behind or (found.settled is not None and found.settled.doubled) else 0
    if provider or month or book:
        raise wrong_usage("--provider, --month and --book go with --export")
    result = await run_reconcile(settings(), since=since, margin=parse_duration(margin), dry_run=dry_run)
    if json:
        print_json(dataclasses.asdict(result), indent=True)
    else:
        _print(result, dry_run=dry_run)
    return FAILED if result.undecided or result.doubled else 0


async def run_export(config: Settings, order: Order) -> Reconciled:
    """One run with a provider's export. Raises `Problem`."""
    async with database(config.database_url) as pool, publisher(config.kafka) as out:
        try:
            return await reconcile_export(pool, out, order)
        except ExportRefused as error:
            raise wrong_usage(str(error)) from error
        except NotComparable as error:
            raise Problem(str(error)) from error


async def run_reconcile(config: Settings, *, since: str | None, margin: timedelta, dry_run: bool) -> Result:
    """One run over the period that the journal holds. Raises `Problem`."""
    url = config.providers.simulator_url
    if not url:
        raise Problem("there is no export to read: OBSERVATORY_SIMULATOR_URL is not set")
    now = datetime.now(UTC)
    moment = parse_moment(since, now) or now - timedelta(days=config.journal_retention_days)
    async with database(config.database_url) as pool, publisher(config.kafka) as out:
        try:
            return await settle(pool, out, SimulatorBill(url), since=moment, margin=margin, dry_run=dry_run)
        except BillUnavailable as error:
            raise Problem(str(error)) from error


def _print(result: Result, *, dry_run: bool) -> None:
    say = stdout().print
    counts = ", ".join(f"{count} {verdict.replace('_', ' ')}" for verdict, count in sorted(result.settled.items()))
    say(f"{result.unsettled} unsettled; {'would settle' if dry_run else 'settled'}: {counts or 'none'}")
    if result.settled:
        say(f"cost of what was settled: ${cell(result.cost_usd)}")
    if result.overtaken:
        say(f"{result.overtaken} had learned more meanwhile and were left as they are")
    if result.undecided:
        say(f"{result.undecided} are too recent for the provider's export: run it again")
    for call_id in result.doubled:
        say(f"[red]billed more than once[/red]: {call_id}")
