"""`observatory verify`: bill = attempts = facts = rollups, in count and to the last decimal, or every difference."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

from cyclopts import Parameter
from rich.table import Table

from observatory.adapters.bill import BillUnavailable, SimulatorBill
from observatory.adapters.kafka import Unreadable, read_event, topic_name
from observatory.adapters.settings import Settings
from observatory.adapters.verification import UNAVAILABLE, Busy, Leg, OutcomeEvent, Proof, read_busy
from observatory.adapters.verification import verify as prove
from observatory.cli import streams
from observatory.cli.following import follow
from observatory.cli.options import Json, Since, parse_duration, parse_moment
from observatory.cli.output import add_row, cell, print_json, stderr, stdout, table
from observatory.cli.outside import database, database_problems, settings
from observatory.cli.problems import FAILED, Problem
from observatory.rules.subscription import ANSWERS, OUTCOME_TYPES
from schemas.topics import CHAT_RESPONSES
from streams.engine.comparison import FoldComparison

_POLL_S = 0.2


async def verify(
    *,
    since: Since = None,
    topics: Annotated[bool, Parameter(help="Read chat.responses too: one distinct outcome for each request.")] = False,
    wait: Annotated[str | None, Parameter(help="First wait until everything is quiet, at most so long.")] = None,
    show: Annotated[int, Parameter(help="How many differences are listed; all are counted.")] = 20,
    skip_streams: Annotated[bool, Parameter(help="Do not make the states of the stream processors again.")] = False,
    json: Json = False,
) -> int:
    """Prove that bill, attempts, facts and rollups agree, in count and to the last decimal.

    Compared call by call and in total are what the provider billed (the simulator's bill; 'unavailable' for others),
    the attempts in the journal, the facts, and the sums of the one-minute rollups. Every request must have its one
    outcome, every hard budget be what its attempts say, and every adjustment be in the ledger as it was decided. The
    states of the stream processors must be what their folds make of the topics, run once from the start.

    The exit code is 0 when all agree and nothing is in flight, else 1. An attempt whose outcome is not known
    (needs_reconciliation) is settled by `observatory reconcile`.

    Some uses:

    `observatory verify`

    `observatory verify --wait 30s --topics --json`

    `observatory verify --since 2h`
    """
    config = settings()
    busy = await wait_until_quiet(config, parse_duration(wait).total_seconds()) if wait else None
    proof = await run_proof(config, since=since, topics=topics, show=show)
    folds = None if skip_streams else await streams.compared(config)
    folds_ok = folds is None or all(one.ok for one in folds)
    if json:
        found = None if folds is None else [streams.as_json(one) for one in folds]
        print_json({**as_json(proof, busy), "ok": proof.ok and folds_ok, "streams": found}, indent=True)
    else:
        _print(proof)
        if folds is not None:
            _print_folds(folds)
    return 0 if proof.ok and folds_ok else FAILED


async def run_proof(config: Settings, *, since: str | None, topics: bool, show: int) -> Proof:
    """The proof over the period that journal and facts both hold. Raises `Problem`."""
    now = datetime.now(UTC)
    held = now - timedelta(days=min(config.journal_retention_days, config.facts_retention_days) - 1)
    moment = max(parse_moment(since, now) or held, held).replace(second=0, microsecond=0)
    url = config.providers.simulator_url
    with database_problems(config.database_url):
        try:
            return await prove(
                config.database_url,
                bill=SimulatorBill(url) if url else None,
                outcomes=_outcomes(config) if topics else None,
                topic_holds_since=now - timedelta(milliseconds=CHAT_RESPONSES.retention_ms) + timedelta(hours=1),
                since=moment,
                shown=show,
            )
        except BillUnavailable as error:
            raise Problem(f"{error}; without a simulator set OBSERVATORY_SIMULATOR_URL to nothing") from error


async def wait_until_quiet(config: Settings, timeout_s: float) -> Busy:
    """Returns when nothing is under way, or what is after `timeout_s` seconds. Raises `Problem`."""
    end = time.monotonic() + timeout_s
    async with database(config.database_url) as pool:
        while True:
            busy = await read_busy(pool)
            if busy.quiet or time.monotonic() > end:
                return busy
            await asyncio.sleep(_POLL_S)


async def _outcomes(config: Settings) -> AsyncIterator[OutcomeEvent]:
    """The outcomes that chat.responses holds now."""
    async with follow(config.kafka, topic_name(config.kafka, CHAT_RESPONSES), "beginning") as follower:
        async for records in follower.up_to_now():
            for record in records:
                try:
                    _, answer = read_event(record, *ANSWERS)
                except Unreadable as error:
                    stderr().print(f"{record.topic}/{record.partition}/{record.offset}: {error}", markup=False)
                    continue
                if answer.ce_type in OUTCOME_TYPES:
                    yield answer.tenant_id, answer.request_id, hashlib.sha256(record.value or b"").digest()


def as_json(proof: Proof, busy: Busy | None) -> dict[str, object]:
    """The proof as one JSON object."""
    legs = {name: UNAVAILABLE if leg is None else vars(leg) for name, leg in proof.legs.items()}
    return {
        "ok": proof.ok,
        "problems": proof.problems,
        "since": proof.since,
        "legs": legs,
        "foreign": {"calls": proof.foreign_calls, "cost_usd": proof.foreign_cost_usd},
        "calls": proof.counts,
        "requests": proof.requests,
        "topic": proof.topic,
        "adjustments": proof.adjustments,
        "needs_reconciliation": proof.differences.get("needs_reconciliation", 0),
        "differences": {"total": sum(proof.differences.values()), "by_kind": proof.differences, "shown": proof.shown},
        "rollup_differences": {"total": proof.rollup_differences, "shown": proof.rollups_shown},
        "rolled_differences": {"total": proof.rolled_differences, "shown": proof.rolled_shown},
        "budget_differences": {"total": proof.budget_differences, "shown": proof.budgets_shown},
        "by_model": proof.by_model,
        "waited_for_quiet": None if busy is None else {"quiet": busy.quiet, **vars(busy)},
    }


def _print(proof: Proof) -> None:
    out = stdout()
    legs = table(["leg", "calls", "cost $", "tokens"])
    for name, leg in proof.legs.items():
        _add_leg(legs, name, leg)
    out.print(legs)
    models = table(
        ["provider", "model", "calls", "billed $", "attempts $", "facts $", "rollups $"],
        left=2,
        expendable=("attempts $", "facts $"),
    )
    for row in proof.by_model:
        costs = [sums["cost_usd"] if isinstance(sums := row.get(name), dict) else sums for name in proof.legs]
        facts = row["facts"]
        add_row(models, row["provider"], row["model"], facts["calls"] if isinstance(facts, dict) else None, *costs)
    out.print()
    out.print(models)
    out.print()
    requests = proof.requests
    out.print(f"requests: {requests['requests']}, completed {requests['completed']}, failed {requests['failed']}")
    if adjusted := proof.adjustments["applied"]:
        out.print(f"adjustments besides the calls: {adjusted}, ${cell(proof.adjustments['applied_usd'])}")
    if proof.foreign_calls:
        out.print(f"calls of others on the bill: {proof.foreign_calls}, ${proof.foreign_cost_usd}")
    for row in proof.shown:
        out.print(f"[yellow]{row['kind']}[/yellow] " + " ".join(f"{k}={v}" for k, v in row.items() if k != "kind"))
    for row in proof.rollups_shown:
        out.print("[yellow]rollup differs[/yellow] " + " ".join(f"{k}={v}" for k, v in row.items()))
    for row in proof.rolled_shown:
        out.print("[yellow]sum differs[/yellow] " + " ".join(f"{k}={v}" for k, v in row.items() if v is not None))
    for row in proof.budgets_shown:
        out.print("[yellow]budget differs[/yellow] " + " ".join(f"{k}={v}" for k, v in row.items() if v is not None))
    if proof.ok:
        out.print("[green]ok[/green]: all legs agree, in count and to the last decimal")
    else:
        out.print(f"[red]not ok[/red]: {'; '.join(proof.problems)}")
        if "needs_reconciliation" in proof.differences:
            out.print("'observatory reconcile' settles what needs reconciliation")


def _print_folds(folds: Sequence[FoldComparison]) -> None:
    if all(one.ok for one in folds):
        states = sum(one.equal for one in folds)
        stdout().print(f"[green]ok[/green]: {states:,} states of {len(folds)} stream processors are as replayed")
    else:
        streams.show(folds)
        stdout().print("[red]not ok[/red]: states of stream processors are not what their folds make")


def _add_leg(target: Table, name: str, leg: Leg | None) -> None:
    if leg is None:
        add_row(target, name, UNAVAILABLE, None, None)
    else:
        add_row(target, name, leg.calls, leg.cost_usd, leg.tokens)
