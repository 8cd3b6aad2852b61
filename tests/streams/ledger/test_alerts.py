"""Alerts on a real broker and database: each once, whatever is killed or repeated, and resolved when it is over."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from infra.native import stack as native
from observatory.adapters.kafka import Publisher, Record, read_event, topic_name
from observatory.adapters.postgres import budget_watch
from observatory.adapters.postgres.budgets import Budgets
from observatory.adapters.postgres.pool import open_pool
from observatory.rules.budgets import EVER, Budget, Period, Scope, period_bounds
from schemas.alerts import ALERT_TYPES, AlertEvent, AlertRaised, AlertResolved
from schemas.topics import ALERT_EVENTS
from streams.ledger.alerting import look_once, publish_open
from tests.databases import new_database
from tests.stack import LiveStack
from tests.streams.ledger.calls import Body, call
from tests.streams.ledger.ground import Ground, new_ground

FACTS_DAYS = 400


@pytest.fixture
async def ground(stack: LiveStack) -> AsyncIterator[Ground]:
    """Alerts are made of all that is in a database: each test has its own."""
    async with new_ground(stack.kafka, await new_database(stack)) as own:
        yield own


def budget(
    budget_id: str = "b", scope: Scope = "tenant", value: str = "", *, limit: str = "2", hard: bool = False,
    period: Period = "month",
) -> Budget:  # fmt: skip
    return Budget(
        budget_id=budget_id, tenant_id="acme", scope=scope, scope_value=value, limit_usd=Decimal(limit), hard=hard,
        period=period,
    )  # fmt: skip


def costs(*amounts: str, **changes: object) -> list[Body]:
    now = datetime.now(UTC).isoformat()
    return [call(**{"tenant_id": "acme", "started_at": now, **changes}, cost_usd=amount) for amount in amounts]


async def alerts(ground: Ground, kind: str = "budget_threshold") -> dict[tuple[str, str | None], bool]:
    """(subject, threshold) -> whether it stands."""
    rows = await ground.pool.fetch(
        """SELECT subject, details ->> 'threshold' AS threshold, resolved_at IS NULL AS standing
             FROM ledger.alerts WHERE kind = $1""",
        kind,
    )
    return {(row["subject"], row["threshold"]): row["standing"] for row in rows}


async def until_standing(ground: Ground, expected: dict[tuple[str, str | None], bool], kind: str) -> None:
    async def so() -> bool:
        return await alerts(ground, kind) == expected

    await ground.until(so)


async def until_published(ground: Ground) -> None:
    async def so() -> bool:
        return not await ground.pool.fetchval("SELECT count(*) FROM ledger.alerts WHERE open")

    await ground.until(so)


async def published(ground: Ground) -> list[tuple[Record, AlertEvent]]:
    async with ground._reader(topic_name(ground.settings.kafka, ALERT_EVENTS)) as (consumer, count):
        found: list[Record] = []
        while len(found) < count:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += records
    return [(record, read_event(record, *ALERT_TYPES)[1]) for record in found]


async def book(ground: Ground, bodies: list[Body]) -> None:
    async with ground.ledger():
        await ground.produce(bodies)
        await ground.until_applied()


async def spent(ground: Ground, budget_id: str = "b") -> Decimal:
    await look_once(ground.pool, FACTS_DAYS)
    amount: Decimal = await ground.pool.fetchval(
        "SELECT spent_usd FROM ledger.budget_spending WHERE budget_id = $1 ORDER BY period_start DESC LIMIT 1",
        budget_id,
    )
    return amount


async def test_a_threshold_is_told_once_as_row_and_event(ground: Ground) -> None:
    await Budgets(ground.pool).create(budget())
    async with ground.ledger():
        await ground.produce(costs("0.6", "0.6"))
        await until_standing(ground, {("b", "0.5"): True}, "budget_threshold")
        await ground.produce(costs("0.9"))
        await until_standing(ground, {("b", "0.5"): True, ("b", "0.8"): True, ("b", "1"): True}, "budget_threshold")
        await until_published(ground)
    told = await published(ground)
    assert Counter(event.details["threshold"] for _, event in told) == {"0.5": 1, "0.8": 1, "1": 1}
    record, event = told[0]
    assert record.key == b"acme"
    assert event.subject == "b"
    by_threshold = {event.details["threshold"]: event.details for _, event in told}
    assert by_threshold["0.5"]["spent_usd"] == "1.2"
    assert (by_threshold["1"]["spent_usd"], by_threshold["1"]["limit_usd"]) == ("2.1", "2")
    assert by_threshold["1"]["resets_at"]


@pytest.mark.parametrize(
    ("scope", "value", "inside"),
    [
        ("tenant", "", {}),
        ("user", "alice", {"user_id": "alice"}),
        ("api_key", "k1", {"api_key_id": "k1"}),
        ("conversation", "c1", {"conversation_id": "c1"}),
        ("model", "gpt-x", {"request_model": "gpt-x"}),
        ("tag", "team=a=b", {"tags": {"team": "a=b"}}),
    ],
)
async def test_every_scope_counts_its_own_calls(
    ground: Ground, scope: Scope, value: str, inside: dict[str, object]
) -> None:
    await Budgets(ground.pool).create(budget(scope=scope, value=value))
    await look_once(ground.pool, FACTS_DAYS)
    outside = costs("7", user_id="bob", api_key_id="k2", conversation_id="c2", request_model="m", tags={"team": "b"})
    await book(ground, [*costs("0.25", "1.0000000000000000000001", **inside), *costs("9", tenant_id="other")])
    assert await spent(ground) == Decimal("1.2500000000000000000001")
    await book(ground, outside)
    assert await spent(ground) == Decimal("1.2500000000000000000001") + (7 if scope == "tenant" else 0)


async def test_what_is_counted_minute_by_minute_is_what_the_facts_say_after_any_change(ground: Ground) -> None:
    await Budgets(ground.pool).create(budget(period="total", limit="1000000"))
    await Budgets(ground.pool).create(budget("late", period="total", limit="1000000"))
    now = datetime.now(UTC)
    bodies = [
        call(tenant_id="acme", started_at=(now - timedelta(seconds=37 * n)).isoformat(), cost_usd=f"0.{n:06}")
        for n in range(300)
    ]
    await look_once(ground.pool, FACTS_DAYS)
    for start in range(0, 300, 100):
        await book(ground, bodies[start : start + 100])
        await look_once(ground.pool, FACTS_DAYS)
    await book(ground, [{**body, "revision": 2, "cost_usd": "0.5"} for body in bodies[::3]])
    await book(ground, [{**body, "revision": 2, "status": "not_sent", "cost_usd": "0"} for body in bodies[1::3]])
    await book(ground, [*bodies[:50], *costs("3", started_at=(now - timedelta(days=200)).isoformat())])
    expected = await ground.pool.fetchval("SELECT sum(cost_usd) FROM ledger.calls")
    assert await spent(ground) == expected
    await ground.pool.execute("DELETE FROM ledger.budget_spending WHERE budget_id = 'late'")
    assert await spent(ground, "late") == expected
    assert (
        await ground.pool.fetchval("SELECT sum(cost_usd) FROM ledger.budget_minutes WHERE budget_id = 'b'") == expected
    )


async def test_a_call_recorded_by_a_slow_transaction_is_counted_once_it_is_there(ground: Ground) -> None:
    await Budgets(ground.pool).create(budget())
    await book(ground, costs("0.1"))
    assert await spent(ground) == Decimal("0.1")
    async with ground.pool.acquire() as connection, connection.transaction():
        await connection.execute(
            """INSERT INTO ledger.calls SELECT (jsonb_populate_record(c, jsonb_build_object(
                 'call_id', gen_random_uuid(), 'recorded_at', now()))).* FROM ledger.calls c"""
        )
        begun: datetime = await connection.fetchval("SELECT now()")
        assert await spent(ground) == Decimal("0.1")
        seen = await ground.pool.fetchval("SELECT seen_until FROM ledger.budget_watch")
        assert seen <= begun
    assert await spent(ground) == Decimal("0.2")


async def test_the_ledger_killed_again_and_again_raises_each_alert_once(ground: Ground) -> None:
    names = [f"user-{n}" for n in range(12)]
    for name in names:
        await Budgets(ground.pool).create(budget(name, "user", name, limit="1"))
    for step, name in enumerate(names):
        await ground.produce(costs("0.7", "0.4", user_id=name) * 2)
        process = ground.ledger_process()

        async def some(least: int = step) -> bool:
            return int(await ground.pool.fetchval("SELECT count(*) FROM ledger.alerts")) > 3 * least

        if step % 3 == 0:
            await ground.until(some)
        else:
            await asyncio.wait([asyncio.create_task(process.ended())], timeout=1.0 + 0.15 * step)
        process.send_signal(signal.SIGKILL)
        await process.ended()
    async with ground.ledger(), ground.ledger(group="another"):
        expected: dict[tuple[str, str | None], bool] = {
            (name, threshold): True for name in names for threshold in ("0.5", "0.8", "1")
        }
        await until_standing(ground, expected, "budget_threshold")
        await until_published(ground)
    told = await published(ground)
    ids = {dict(record.headers)["ce_id"] for record, _ in told}
    assert len(ids) == len({event.alert_id for _, event in told}) == len(expected)


async def test_two_watchers_at_once_tell_each_alert_once(ground: Ground) -> None:
    for number in range(20):
        await Budgets(ground.pool).create(budget(f"b{number}"))
    await book(ground, costs("5"))
    await ground.pool.execute("DELETE FROM ledger.alerts")
    told_before = len(await published(ground))
    publisher = Publisher(ground.settings.kafka, "test")
    await publisher.start()
    await asyncio.gather(*(look_once(ground.pool, FACTS_DAYS) for _ in range(2)))
    await asyncio.gather(*(publish_open(ground.pool, publisher) for _ in range(2)))
    await publisher.stop()
    assert len(await alerts(ground)) == 60
    assert len(await published(ground)) - told_before == 60


async def test_what_a_kill_kept_from_being_published_is_published_by_the_next(ground: Ground) -> None:
    await Budgets(ground.pool).create(budget())
    await book(ground, costs("0.1"))
    await ground.pool.execute("UPDATE journal.budgets SET limit_usd = 0.2")
    await look_once(ground.pool, FACTS_DAYS)
    assert await published(ground) == []
    async with ground.ledger():
        await until_published(ground)
    ((_, event),) = await published(ground)
    assert isinstance(event, AlertRaised)


async def test_a_period_that_ends_resolves_its_alerts_and_the_next_raises_its_own(ground: Ground) -> None:
    """The end of a period is made by moving its calls and its alerts an hour into the past."""
    now = datetime.now(UTC)
    start, _ = period_bounds("hour", "UTC", now)
    await Budgets(ground.pool).create(budget(period="hour"))
    await ground.pool.execute("UPDATE journal.budgets SET created_at = now() - interval '1 day'")
    before = (start - timedelta(minutes=5)).isoformat()
    await book(ground, costs("1.1", started_at=before))
    await look_once(ground.pool, FACTS_DAYS)
    rows = await ground.pool.fetch(
        "SELECT message, details ->> 'period_start' AS start, resolved_at FROM ledger.alerts"
    )
    (late,) = rows
    assert late["resolved_at"] is not None, "the period was over when its last call came"
    assert f"in the period from {late['start']}" in late["message"]
    await book(ground, costs("1.3"))
    await look_once(ground.pool, FACTS_DAYS)
    rows = await ground.pool.fetch(
        "SELECT latest ->> 'spent_usd' AS spent, resolved_at IS NULL AS standing FROM ledger.alerts ORDER BY raised_at"
    )
    assert [(row["spent"], row["standing"]) for row in rows] == [("1.1", False), ("1.3", True)]


async def test_a_budget_with_more_room_or_that_is_closed_resolves_its_alerts_for_good(ground: Ground) -> None:
    budgets = Budgets(ground.pool)
    await budgets.create(budget())
    await book(ground, costs("1.7"))
    await look_once(ground.pool, FACTS_DAYS)
    assert await alerts(ground) == {("b", "0.5"): True, ("b", "0.8"): True}
    await budgets.set_limit("b", Decimal(3))
    await look_once(ground.pool, FACTS_DAYS)
    standing = await ground.pool.fetch(
        "SELECT details ->> 'limit_usd' AS most FROM ledger.alerts WHERE resolved_at IS NULL"
    )
    assert [row["most"] for row in standing] == ["3"], "half of the new limit"
    await budgets.set_limit("b", Decimal(2))
    await look_once(ground.pool, FACTS_DAYS)
    assert await ground.pool.fetchval("SELECT count(*) FROM ledger.alerts") == 3, "each limit tells once a period"
    await budgets.close("b")
    await look_once(ground.pool, FACTS_DAYS)
    assert not any((await alerts(ground)).values())


async def test_hard_budgets_are_told_from_what_they_were_charged(ground: Ground) -> None:
    await Budgets(ground.pool).create(budget(hard=True, period="total"))
    await ground.pool.execute(
        "UPDATE journal.budget_periods SET spent_usd = 1.7, reserved_usd = 0.2 WHERE period_start = $1", EVER
    )
    await look_once(ground.pool, FACTS_DAYS)
    assert await alerts(ground) == {("b", "0.5"): True, ("b", "0.8"): True}
    details = await ground.pool.fetchval("SELECT details ->> 'reserved_usd' FROM ledger.alerts LIMIT 1")
    assert details == "0.2"


async def test_a_model_without_a_price_is_told_resolved_and_told_again(ground: Ground) -> None:
    unpriced = [call(tenant_id="acme", provider="p", response_model="new", cost_usd=None) for _ in range(3)]
    async with ground.ledger():
        await ground.produce(unpriced)
        await until_standing(ground, {("p new", None): True}, "unpriced_model")
        await ground.produce([{**body, "revision": 2, "cost_usd": "1"} for body in unpriced[:2]])
        await ground.until_applied()
        await ground.until(lambda: _latest_count(ground, "1"))
        assert await alerts(ground, "unpriced_model") == {("p new", None): True}
        await ground.produce([{**unpriced[2], "revision": 2, "cost_usd": "1"}])
        await until_standing(ground, {("p new", None): False}, "unpriced_model")
        await until_published(ground)
        await ground.produce([call(tenant_id="acme", provider="p", response_model="new", cost_usd=None)])
        await ground.until(lambda: _latest_count(ground, "1", standing=True))
        await until_published(ground)
    events = [event for _, event in await published(ground)]
    assert [type(event) for event in events] == [AlertRaised, AlertResolved, AlertRaised]
    assert len({event.alert_id for event in events}) == 2
    assert events[0].details["unpriced_calls"] == 3


async def _latest_count(ground: Ground, count: str, *, standing: bool = True) -> bool:
    found = await ground.pool.fetch(
        "SELECT latest ->> 'unpriced_calls' AS calls FROM ledger.alerts WHERE (resolved_at IS NULL) = $1", standing
    )
    return [row["calls"] for row in found] == [count]


async def test_the_sink_goes_on_while_the_watcher_cannot(ground: Ground) -> None:
    await ground.pool.execute("ALTER TABLE ledger.alerts RENAME TO alerts_away")
    async with ground.ledger():
        await ground.produce(costs("0.6", "1.6"))
        await ground.until_applied()
        await Budgets(ground.pool).create(budget())
        await ground.pool.execute("ALTER TABLE ledger.alerts_away RENAME TO alerts")
        await until_standing(ground, {("b", "0.5"): True, ("b", "0.8"): True, ("b", "1"): True}, "budget_threshold")


async def test_without_the_broker_alerts_are_raised_and_told_once_it_is_back(ground: Ground, stack: LiveStack) -> None:
    await Budgets(ground.pool).create(budget("first"))
    await Budgets(ground.pool).create(budget("second", limit="20"))
    async with ground.ledger():
        await ground.produce(costs("3"))
        await until_standing(ground, standing("first"), "budget_threshold")
        await until_published(ground)
        native.kill_program(stack.spec, native.KAFKA)
        await ground.pool.execute("UPDATE journal.budgets SET limit_usd = 2.5 WHERE budget_id = 'second'")
        await until_standing(ground, standing("first", "second"), "budget_threshold")
        await asyncio.to_thread(native.wait_for_services, stack.spec)
        await until_published(ground)
    told = await published(ground)
    ids = {dict(record.headers)["ce_id"] for record, _ in told}
    assert len(ids) == len({event.alert_id for _, event in told}) == 6


def standing(*budget_ids: str) -> dict[tuple[str, str | None], bool]:
    return {(name, threshold): True for name in budget_ids for threshold in ("0.5", "0.8", "1")}


async def test_the_database_killed_raises_and_tells_each_alert_once(ground: Ground, stack: LiveStack) -> None:
    for name in ("first", "second"):
        await Budgets(ground.pool).create(budget(name, "user", name))
    async with ground.ledger():
        await ground.produce(costs("3", user_id="first"))
        await until_standing(ground, standing("first"), "budget_threshold")
        native.kill_program(stack.spec, native.POSTGRES)
        await ground.produce(costs("3", user_id="second"))
        await asyncio.to_thread(native.wait_for_services, stack.spec)
        await until_standing(ground, standing("first", "second"), "budget_threshold")
        await until_published(ground)
    told = await published(ground)
    assert len({event.alert_id for _, event in told}) == len({dict(r.headers)["ce_id"] for r, _ in told}) == 6


async def test_an_alert_stands_when_less_is_spent_after_all_and_is_told_once(ground: Ground) -> None:
    await Budgets(ground.pool).create(budget())
    (guessed,) = costs("1.7", cost_state="estimated")
    await book(ground, [guessed])
    await look_once(ground.pool, FACTS_DAYS)
    assert await alerts(ground) == {("b", "0.5"): True, ("b", "0.8"): True}
    await book(ground, [{**guessed, "revision": 2, "cost_usd": "0.1", "cost_state": "settled"}])
    await look_once(ground.pool, FACTS_DAYS)
    assert await alerts(ground) == {("b", "0.5"): True, ("b", "0.8"): True}
    assert await ground.pool.fetchval("SELECT DISTINCT latest ->> 'spent_usd' FROM ledger.alerts") == "0.1"
    await book(ground, costs("1.6"))
    async with ground.ledger():
        await until_published(ground)
    assert [type(event) for _, event in await published(ground)] == [AlertRaised, AlertRaised]


async def test_a_budget_of_absurd_digits_keeps_no_other_from_being_watched(ground: Ground) -> None:
    await Budgets(ground.pool).create(budget("absurd", limit="0." + "3" * 90))
    await Budgets(ground.pool).create(budget())
    await book(ground, costs("3"))
    await look_once(ground.pool, FACTS_DAYS)
    assert await alerts(ground) == standing("absurd", "b")


async def test_a_call_written_by_a_process_that_was_stopped_for_long_is_counted(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No time of grace here: a transaction that has begun and done nothing yet is seen all the same."""
    monkeypatch.setattr(budget_watch, "GRACE", timedelta(0))
    await Budgets(ground.pool).create(budget())
    await book(ground, costs("0.1"))
    await look_once(ground.pool, FACTS_DAYS)
    stopped = await open_pool(ground.settings.database_url, size=1, application="stopped")
    async with stopped.acquire() as connection:
        await connection.execute("BEGIN")
        await connection.execute("SELECT now()")
        assert await spent(ground) == Decimal("0.1")
        await connection.execute(
            """INSERT INTO ledger.calls SELECT (jsonb_populate_record(c, jsonb_build_object(
                 'call_id', gen_random_uuid(), 'recorded_at', now()))).* FROM ledger.calls c"""
        )
        await connection.execute("COMMIT")
    await stopped.close()
    assert await spent(ground) == Decimal("0.2")


async def test_periods_that_are_not_counted_yet_are_counted_by_later_looks(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    await Budgets(ground.pool).create(budget())
    await book(ground, costs("3"))
    await look_once(ground.pool, FACTS_DAYS)
    await Budgets(ground.pool).create(budget("new"))
    await ground.pool.execute("DELETE FROM ledger.budget_spending")
    monkeypatch.setattr(budget_watch, "COUNT_S", 0.0)
    await look_once(ground.pool, FACTS_DAYS)
    assert await alerts(ground) == standing("b"), "what is not counted resolves nothing"
    monkeypatch.undo()
    await look_once(ground.pool, FACTS_DAYS)
    assert await alerts(ground) == standing("b", "new")
