"""`observatory months`: months that take no adjustment any more."""

import getpass
from datetime import UTC, datetime
from typing import Annotated

from cyclopts import App, Parameter

from observatory.adapters import adjusting
from observatory.adapters.postgres.adjustments import closed_months
from observatory.cli.options import Json, parse_month
from observatory.cli.output import add_row, print_json, stdout, table
from observatory.cli.outside import database, settings
from observatory.cli.problems import Problem

months = App(
    name="months",
    help="""Close months, so that what was reported of them stays as it is.

An adjustment of a closed month counts in the first open one and keeps its day. A closed month is never opened again.

Some uses:

`observatory months close 2026-10`

`observatory months list`""",
)


@months.command
async def close(
    month: str,
    *,
    by: Annotated[str | None, Parameter(help="Who closes it; the user of this machine by default.")] = None,
    json: Json = False,
) -> int:
    """Close a month that is over, and all before it, to adjustments."""
    first = parse_month(month)
    if first >= datetime.now(UTC).date().replace(day=1):
        raise Problem(f"{month} is not over yet (in UTC)")
    async with database(settings().database_url) as pool:
        closed = await adjusting.close_month(pool, first, by or getpass.getuser())
    if json:
        print_json({"month": f"{first:%Y-%m}", "closed_now": closed})
    else:
        stdout().print(f"{first:%Y-%m} is closed" if closed else f"{first:%Y-%m} was closed already")
    return 0


@months.command(name="list")
async def list_months(*, json: Json = False) -> int:
    """List the months that were closed, by whom and when; all before the newest are closed too."""
    async with database(settings().database_url) as pool:
        found = [{**row, "month": f"{row['month']:%Y-%m}"} for row in await closed_months(pool)]
    if json:
        print_json(found, indent=True)
        return 0
    rows = table(["month", "closed", "by"], left=3)
    for row in found:
        add_row(rows, row["month"], row["closed_at"], row["closed_by"])
    stdout().print(rows if found else "No month is closed.")
    return 0
