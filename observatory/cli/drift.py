"""How `observatory reconcile --export` shows what came of it: ours, theirs and the difference, by model and day."""

import dataclasses
from datetime import UTC, datetime
from decimal import Decimal

from observatory.adapters.export_reconciliation import Order, Reconciled
from observatory.cli.output import add_row, cell, print_json, stderr, stdout, table
from observatory.rules.drift import Drift, Figures
from observatory.rules.money import ZERO, total

_COLUMNS = ("calls", "their calls", "tokens", "their tokens", "ours $", "adjusted $", "theirs $", "difference $", "%")


def show(found: Reconciled, order: Order, *, as_json: bool) -> None:
    """Prints it."""
    if as_json:
        print_json(_as_json(found, order), indent=True)
    else:
        _print(found, order)


def _as_json(found: Reconciled, order: Order) -> dict[str, object]:
    """One JSON object; of the figures null is what the export does not say."""
    return {
        "provider": order.provider,
        "month": f"{order.month:%Y-%m}",
        "export_id": found.export_id,
        "days": sorted(found.said.days),
        "theirs_usd_is": "usage at our prices" if found.said.priced else "billed",
        "behind": found.behind,
        "settled": None if found.settled is None else dataclasses.asdict(found.settled),
        "matches": None if found.matches is None else found.matches._asdict(),
        "drift": [_row(row) for row in found.rows],
        "total": _total(found.rows),
        "dry_run": order.dry_run,
        "booked": [adjustment._asdict() for adjustment in found.booked],
        "published": found.published,
    }


def _total(rows: list[Drift]) -> dict[str, Decimal | int]:
    """Sums of the costs; what is not comparable counts as nothing of theirs."""
    return {
        "ours_usd": total(row.ours.usd or ZERO for row in rows),
        "adjusted_usd": total(row.booked_usd for row in rows),
        "theirs_usd": total(row.theirs.usd or ZERO for row in rows),
        "difference_usd": total(row.difference.usd or ZERO for row in rows),
        "not_comparable": sum(row.theirs.usd is None for row in rows),
    }


def _row(row: Drift) -> dict[str, object]:
    return {
        "day": row.day,
        "model": row.model,
        "ours": _figures(row.ours),
        "unpriced_calls": row.unpriced_calls,
        "adjusted_usd": row.booked_usd,
        "theirs": _figures(row.theirs),
        "difference": _figures(row.difference),
        "percent": row.percent,
    }


def _figures(figures: Figures) -> dict[str, object]:
    return {"calls": figures.calls, "tokens": figures.tokens, "cost_usd": figures.usd}


def _print(found: Reconciled, order: Order) -> None:
    out = stdout()
    _print_settled(found, order)
    rows = table(["day", "model", *_COLUMNS], left=2)
    for row in found.rows:
        add_row(rows, row.day, row.model, *_cells(row))
    rows.add_section()
    sums = _total(found.rows)
    if found.rows and not sums["not_comparable"]:
        money = [sums[name] for name in ("ours_usd", "adjusted_usd", "theirs_usd", "difference_usd")]
        add_row(rows, "total", "", *[""] * 4, *money, "", style="bold")
    out.print(rows if found.rows else "Neither the export nor the ledger has a call on these days.")
    if found.said.priced:
        out.print("Their cost is their usage at our prices: the export has no amounts.")
    if unpriced := sum(row.unpriced_calls for row in found.rows):
        out.print(f"[yellow]{unpriced} of our calls have no price[/yellow]: what they cost is a part of the difference")
    if found.behind:
        out.print(f"[yellow]{found.behind} calls are under way or not in the ledger yet[/yellow]: run it again")
    _print_booked(found, order)


def _cells(row: Drift) -> tuple[object, ...]:
    ours, theirs = row.ours, row.theirs
    return (
        ours.calls,
        theirs.calls,
        sum((ours.tokens or {}).values()),
        None if theirs.tokens is None else sum(theirs.tokens.values()),
        ours.usd,
        row.booked_usd,
        theirs.usd,
        row.difference.usd,
        row.percent,
    )


def _print_settled(found: Reconciled, order: Order) -> None:
    out, settled, matches = stdout(), found.settled, found.matches
    if settled is not None:
        count = sum(settled.settled.values())
        out.print(f"{'would settle' if order.dry_run else 'settled'}: {count}, cost ${cell(settled.cost_usd)}")
        if settled.overtaken:
            out.print(f"{settled.overtaken} had learned more meanwhile and were left as they are")
        for call_id in settled.doubled:
            out.print(f"[red]billed more than once[/red]: {call_id}")
    if matches is not None:
        out.print(
            f"{matches.rows} rows by call: {matches.matched} are calls of ours, {matches.differing} of them with other "
            f"tokens; {matches.ours_alone} calls of ours have no row"
        )


def _print_booked(found: Reconciled, order: Order) -> None:
    out, booked = stdout(), found.booked
    for one in booked:
        where = "" if one.booked_month == one.day.replace(day=1) else f", counted in {one.booked_month:%Y-%m}"
        verb = "would adjust" if order.dry_run else "adjusted"
        out.print(f"{verb} {one.day} {one.model}: ${cell(one.amount_usd)}{where}", markup=False)
    today = datetime.now(UTC).date()
    if order.book and any(row.day >= today and row.difference.usd for row in found.rows):
        out.print("[yellow]days that are not over (in UTC) were not adjusted[/yellow]: more may come")
    elif order.book and not booked:
        stderr().print("Nothing differs: nothing was adjusted.")
