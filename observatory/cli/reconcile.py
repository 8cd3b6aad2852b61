"""`observatory reconcile`: attempts whose outcome or usage is not known, settled from the provider's export."""

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Annotated

from cyclopts import Parameter

from observatory.adapters.bill import BillUnavailable, SimulatorBill
from observatory.adapters.reconciliation import Result
from observatory.adapters.reconciliation import reconcile as settle
from observatory.adapters.settings import Settings
from observatory.cli.options import Json, Since, parse_duration, parse_moment
from observatory.cli.output import cell, print_json, stdout
from observatory.cli.outside import database, publisher, settings
from observatory.cli.problems import FAILED, Problem


async def reconcile(
    *,
    since: Since = None,
    margin: Annotated[str, Parameter(help="How far the clocks of provider and database may be apart.")] = "2s",
    dry_run: Annotated[bool, Parameter(help="Say what would be settled and change nothing.")] = False,
    json: Json = False,
) -> int:
    """Settle attempts whose worker died before it knew their end, or whose usage was guessed.

    What the provider billed is matched by call: billed calls get its usage at our prices, unbilled ones cost nothing,
    and what the provider never saw was not sent. The simulator's bill is the export that is read. The exit code is 1
    when something is left unsettled: the provider's export is not complete that far yet, or a call was billed twice.

    Some uses:

    `observatory reconcile`

    `observatory reconcile --since 2h --dry-run --json`
    """
    result = await run_reconcile(settings(), since=since, margin=parse_duration(margin), dry_run=dry_run)
    if json:
        print_json(dataclasses.asdict(result), indent=True)
    else:
        _print(result, dry_run=dry_run)
    return FAILED if result.undecided or result.doubled else 0


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
