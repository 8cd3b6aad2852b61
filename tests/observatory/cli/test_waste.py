"""`observatory waste`: each kind of attempt that gave no answer, counted once, to the last decimal."""

from __future__ import annotations

from decimal import Decimal

from tests.observatory.cli.conftest import Cli
from tests.streams.ledger.calls import Body, call, new_id
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
