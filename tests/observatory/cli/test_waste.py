"""`observatory waste`: each kind of attempt that gave no answer, counted once, to the last decimal."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from tests.observatory.cli.conftest import Cli
from tests.streams.ledger.calls import NOW, Body, call, new_id
from tests.streams.ledger.ground import Ground


def attempts(*changes: Body) -> list[Body]:
    """The attempts of one request, in order."""
    request_id = new_id()
    common: Body = {"request_id": request_id, "tenant_id": "acme", "response_model": "m"}
    return [call(**{**common, "attempt": number + 1, **change}) for number, change in enumerate(changes)]


REQUESTS: list[tuple[list[Body], dict[str, str]]] = [
    (attempts({"cost_usd": "5"}), {}),
    (attempts({"cost_usd": "5", "cost_state": "reconciled"}), {}),
    (
        attempts({"status": "error", "error_type": "malformed_response", "cost_usd": "0.1"}, {"cost_usd": "5"}),
        {"malformed_answer": "0.1"},
    ),
    (
        attempts(
            {"status": "error", "error_type": "stream_cut", "cost_usd": "0.2", "cost_state": "estimated"},
            {"provider": "sim-anthropic", "cost_usd": "5"},
        ),
        {"stream_cut": "0.2"},
    ),
    (
        attempts({"status": "unknown", "cost_usd": "0.3", "cost_state": "estimated"}, {"cost_usd": "5"}),
        {"worker_died": "0.3"},
    ),
    (
        attempts({"status": "ok", "cost_state": "reconciled", "cost_usd": "0.04"}, {"cost_usd": "5"}),
        {"worker_died": "0.04"},
    ),
    (attempts({"cost_usd": "0.5"}, {"cost_usd": "5"}), {"answer_discarded": "0.5"}),
    (attempts({"status": "cancelled", "cost_usd": "0.6"}), {"abandoned": "0.6"}),
    (attempts({"status": "error", "error_type": "timeout", "cost_usd": "0.7"}), {"timeout": "0.7"}),
    (
        attempts({"status": "error", "error_type": "rate_limited", "cost_usd": "0"}, {"cost_usd": "5"}),
        {"refused_or_failed": "0"},
    ),
    (attempts({"status": "error", "error_type": "server_error", "cost_usd": None}), {"refused_or_failed": "0"}),
    (attempts({"status": "not_sent", "cost_usd": "0"}), {}),
    (attempts({"cost_usd": "5"}, {"status": "not_sent", "cost_usd": "0"}), {}),
]


async def test_every_cause_is_told_once_and_the_sum_is_theirs(ground: Ground, cli: Cli) -> None:
    async with ground.ledger():
        await ground.produce([body for bodies, _ in REQUESTS for body in bodies])
        await ground.until_applied()
    expected: dict[str, Decimal] = {}
    for _, wasted in REQUESTS:
        for cause, cost in wasted.items():
            expected[cause] = expected.get(cause, Decimal()) + Decimal(cost)
    found = (await cli("waste", "--tenant", "acme", "--since", "all", "--json")).answer()
    groups = found["groups"]
    assert isinstance(groups, list)
    assert {group["cause"]: Decimal(group["cost_usd"]) for group in groups} == expected
    total = found["total"]
    assert isinstance(total, dict)
    assert Decimal(total["cost_usd"]) == sum(expected.values())
    split = [Decimal(total[f"{what}_cost_usd"]) for what in ("retried", "fallback", "given_up")]
    assert split == [Decimal("0.94"), Decimal("0.2"), Decimal("1.3")]
    assert (total["estimated_cost_usd"], total["unpriced_calls"]) == ("0.5", 1)
    by_tenant = (await cli("waste", "--by", "tenant", "--since", "all", "--json")).answer()
    assert by_tenant["total"] == total
    assert "malformed_answer" in (await cli("waste", "--since", "all")).stdout


async def test_the_last_attempt_of_a_request_is_wasted_when_only_the_providers_export_knows_its_answer(
    ground: Ground, cli: Cli
) -> None:
    """As `observatory reconcile` leaves the attempts of a request whose workers were all lost."""
    lost: Body = {"tenant_id": "lost", "cost_state": "reconciled", "latency": None}
    given: Body = {"tenant_id": "lost", "cost_state": "reconciled", "cost_usd": "5"}
    async with ground.ledger():
        await ground.produce([*attempts(lost | {"cost_usd": "0.2"}, lost | {"cost_usd": "0.3"}), *attempts(given)])
        await ground.until_applied()
    found = (await cli("waste", "--tenant", "lost", "--since", "all", "--json")).answer()
    groups = found["groups"]
    assert isinstance(groups, list)
    costs = [(g["cause"], g["calls"], g["cost_usd"], g["retried_cost_usd"], g["given_up_cost_usd"]) for g in groups]
    assert costs == [("worker_died", 2, "0.5", "0.2", "0.3")]


async def test_a_discarded_answer_is_found_however_long_after_it_the_next_attempt_began(
    ground: Ground, cli: Cli
) -> None:
    def at(hours: float, cost: str, **changes: object) -> Body:
        begun = NOW - timedelta(hours=30) + timedelta(hours=hours)
        return {"tenant_id": "late", "started_at": begun.isoformat(), "cost_usd": cost, **changes}

    async with ground.ledger():
        await ground.produce([
            *attempts(at(0, "0.1"), at(23, "5")),
            *attempts(at(1, "0.2"), at(1.1, "5", provider="sim-anthropic")),
            # Followed by one that was never sent, and by one that was.
            *attempts(at(2, "0.4"), at(2.1, "0", status="not_sent"), at(2.2, "5")),
            *attempts(at(3, "0", status="not_sent"), at(3.1, "5")),
            *attempts(at(4, "5"), at(4.1, "0", status="not_sent")),
        ])  # fmt: skip
        await ground.until_applied()

    async def found(*period: str) -> list[tuple[str, int, str, str]]:
        groups = (await cli("waste", "--tenant", "late", *period, "--json")).answer()["groups"]
        assert isinstance(groups, list)
        return [(g["cause"], g["calls"], g["retried_cost_usd"], g["fallback_cost_usd"]) for g in groups]

    assert await found("--since", "all") == [("answer_discarded", 3, "0.5", "0.2")]
    since, until = ((NOW - timedelta(hours=hours)).isoformat() for hours in (29.5, 6.5))
    assert await found("--since", since, "--until", until) == [("answer_discarded", 2, "0.4", "0.2")]
