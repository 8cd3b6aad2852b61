"""What the worker that leads shows of the pipeline: backlog, unknown calls, budgets, alerts, how far sinks are."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import REGISTRY

from observatory.adapters.kafka import Publisher
from observatory.adapters.postgres.pool import Pool, open_pool
from observatory.adapters.settings import Settings
from streams.pipeline import turn
from tests.databases import new_database
from tests.stack import LiveStack

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
async def pool(stack: LiveStack) -> AsyncIterator[Pool]:
    pool = await open_pool(await new_database(stack), size=1, application="test")
    yield pool
    await pool.close()


async def look(pool: Pool) -> None:
    settings = Settings()
    await turn(pool, Publisher(settings.kafka, "test"), settings)


def shown(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"observatory_{name}", labels)


async def attempt(pool: Pool, status: str, *, is_open: bool, age_s: int = 0) -> None:
    await pool.execute(
        """INSERT INTO journal.attempts (call_id, tenant_id, request_id, attempt, epoch, record_key, provider, model,
             status, record, open, changed_at)
           VALUES (gen_random_uuid(), 't', gen_random_uuid(), 1, 1, 'k', 'p', 'm', $1, '{}', $2,
             now() - $3::interval)""",
        status, is_open, timedelta(seconds=age_s),
    )  # fmt: skip


async def test_what_waits_to_be_published_is_counted_with_the_age_of_the_oldest(pool: Pool) -> None:
    await attempt(pool, "ok", is_open=True, age_s=90)
    await attempt(pool, "error", is_open=True, age_s=30)
    await attempt(pool, "ok", is_open=False, age_s=900)
    await attempt(pool, "started", is_open=True, age_s=900)
    await look(pool)
    assert shown("outbox_waiting", what="calls") == 2
    age = shown("outbox_oldest_seconds", what="calls")
    assert age is not None
    assert 90 <= age < 150
    assert (shown("outbox_waiting", what="outcomes"), shown("outbox_oldest_seconds", what="outcomes")) == (0, 0)


async def test_attempts_of_unknown_outcome_are_counted_until_they_are_settled(pool: Pool) -> None:
    for status in ("unknown", "unknown", "cancelled"):
        await attempt(pool, status, is_open=False)
    await look(pool)
    assert shown("unknown_calls") == 2
    await pool.execute("UPDATE journal.attempts SET status = 'ok', cost_state = 'reconciled' WHERE status = 'unknown'")
    await look(pool)
    assert shown("unknown_calls") == 0


async def test_budgets_are_shown_by_what_is_used_of_them_until_they_are_closed(pool: Pool) -> None:
    budgets = (("hard", True, "10"), ("soft", False, "10"), ("nothing", True, "0"), ("closed", True, "1"))
    for budget_id, hard, limit in budgets:
        await pool.execute(
            """INSERT INTO journal.budgets (budget_id, tenant_id, scope, limit_usd, hard, period)
               VALUES ($1, 'acme', 'tenant', $2::text::numeric, $3, 'total')""",
            budget_id, limit, hard,
        )  # fmt: skip
        if hard:
            await pool.execute(
                """INSERT INTO journal.budget_periods (budget_id, period_start, spent_usd, reserved_usd)
                   VALUES ($1, now() - interval '1 day', 2, 0.5)""",
                budget_id,
            )
    await pool.execute("INSERT INTO ledger.budget_spending VALUES ('soft', now() - interval '1 day', 12.5, 0)")
    await look(pool)
    used = {
        name: shown("budget_used_ratio", tenant="acme", budget=name, hard=str(hard).lower())
        for name, hard, _ in budgets
    }
    assert used == {"hard": 0.25, "soft": 1.25, "nothing": 1, "closed": 2.5}
    await pool.execute("UPDATE journal.budgets SET closed_at = now() WHERE budget_id = 'closed'")
    await look(pool)
    assert shown("budget_used_ratio", tenant="acme", budget="closed", hard="true") is None


async def test_a_sink_is_complete_where_its_slowest_partition_is_and_one_of_long_ago_is_not_shown(pool: Pool) -> None:
    rows = [("ledger", 0, NOW), ("ledger", 1, NOW - timedelta(seconds=9)), ("streams.windows", 0, None),
            ("streams.of_long_ago", 0, NOW - timedelta(days=9))]  # fmt: skip
    await pool.executemany(
        """INSERT INTO ledger.sink_offsets (sink, topic, log_epoch, part, next_offset, applied_until, owner)
           VALUES ($1, 'llm.calls', 0, $2, 0, $3, 'test')""",
        rows,
    )
    await look(pool)
    until = "complete_until_timestamp_seconds"
    assert shown(until, sink="ledger", topic="llm.calls") == (NOW - timedelta(seconds=9)).timestamp()
    assert shown(until, sink="streams.windows", topic="llm.calls") is None
    assert shown(until, sink="streams.of_long_ago", topic="llm.calls") is None


async def test_alerts_stand_by_kind_and_severity(pool: Pool) -> None:
    await pool.executemany(
        """INSERT INTO ledger.alerts (alert_id, kind, severity, tenant_id, subject, occurrence, message, details,
             latest, resolved_at)
           VALUES (gen_random_uuid(), 'anomaly', $1, 't', 's', 'o', 'm', '{}', '{}', $2)""",
        [("critical", None), ("critical", None), ("warning", NOW)],
    )
    await look(pool)
    assert shown("alerts_standing", kind="anomaly", severity="critical") == 2
    assert shown("alerts_standing", kind="anomaly", severity="warning") is None
    assert (shown("outbox_waiting", what="alerts") or 0) == 3
