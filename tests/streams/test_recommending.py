"""A cheaper model that an experiment has shown to be as good: from calls and ratings to the saving, made by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

from observatory.adapters.postgres.experiments import Experiments
from observatory.adapters.postgres.prices import record
from observatory.adapters.postgres.recommendations import Found, page
from observatory.rules.price_rows import PriceRow
from schemas.experiments import ExperimentDefinition
from schemas.feedback import FeedbackGiven
from streams.folds.experiment_requests import EXPERIMENT_REQUESTS
from streams.folds.experiment_units import EXPERIMENT_UNITS
from streams.recommending import recommend
from tests.streams.engine.ground import StreamGround
from tests.streams.ledger.calls import NOW, Body, call
from tests.streams.ledger.writing import write_calls
from tests.streams.test_experiments import give, publish

DEAR, CHEAP = "dear-model", "cheap-model"
PRICES = (
    PriceRow(
        provider="openai", model=DEAR, input_usd_mtok=Decimal(10), output_usd_mtok=Decimal(30),
        cache_read_usd_mtok=Decimal(5),
    ),
    PriceRow(
        provider="openai", model=CHEAP, input_usd_mtok=Decimal(1), output_usd_mtok=Decimal(2),
        cache_read_usd_mtok=Decimal("0.25"),
    ),
)  # fmt: skip
UNITS = 60
"""Of each variant."""


def asked(model: str, tokens: tuple[int, int, int], cost_usd: str, **changes: object) -> Body:
    """A call outside of any experiment; tokens: uncached input, read from a cache, output."""
    usage = dict(zip(("uncached_input_tokens", "cache_read_tokens", "output_tokens"), tokens, strict=True))
    common: Body = {
        "tenant_id": "acme", "request_model": model, "response_model": f"{model}-1", "usage": usage,
        "cost_usd": cost_usd, "started_at": (NOW - timedelta(hours=2)).isoformat(), "first_token_at": None,
        "ended_at": None, "experiment_id": None, "variant_id": None, "prompt_hash": None,
    }  # fmt: skip
    return call(**{**common, **changes})


def in_experiment() -> list[Body]:
    """One call in each conversation: 0.0155 USD at the dear model, 0.0013 at the cheap one."""
    made = []
    for number in range(2 * UNITS):
        model, cost = ((DEAR, "0.0155"), (CHEAP, "0.0013"))[number % 2]
        placed: Body = {
            "experiment_id": "models", "experiment_version": 1, "variant_id": model,
            "experiment_unit": f"talk {number}", "conversation_id": f"talk {number}",
            "request_id": str(UUID(int=number)),
        }  # fmt: skip
        made.append(asked(model, (1000, 500, 100), cost, **placed))
    return made


OTHERS = [
    asked(DEAR, (2_000_000, 0, 100_000), "23.000000000001"),
    asked(DEAR, (0, 400_000, 0), "2", started_at=(NOW - timedelta(days=3)).isoformat()),
    asked(DEAR, (1000, 0, 100), "77", started_at=(NOW - timedelta(days=11)).isoformat()),  # before the period
    asked(DEAR, (1000, 0, 100), "77", tenant_id="other"),
    asked(DEAR, (1000, 0, 100), "77", status="error", error_type="timeout"),
    asked(DEAR, (1000, 0, 100), "77", operation="embeddings"),
    asked(CHEAP, (1000, 0, 100), "77"),
]
INSTEAD = (
    UNITS * (Decimal("0.001") + Decimal("0.000125") + Decimal("0.0002"))  # 1,000 at 1, 500 at 0.25, 100 at 2 a million
    + (Decimal(2) + Decimal("0.2"))
    + Decimal("0.1")
)
COST = UNITS * Decimal("0.0155") + Decimal("23.000000000001") + 2


async def found(ground: StreamGround) -> list[Found]:
    await recommend(ground.pool, ground.topic, datetime.now(UTC))
    return await page(ground.pool, tenants=[], kind="cheaper_model", limit=10)


async def test_a_model_that_costs_less_and_is_as_good_is_recommended_with_the_exact_saving(
    ground: StreamGround,
) -> None:
    await record(ground.pool, "set", PRICES)
    store = Experiments(ground.pool)
    definition = ExperimentDefinition.model_validate({
        "eligibility": {"models": [DEAR]}, "settle_s": 60,
        "variants": [{"name": DEAR}, {"name": CHEAP, "overrides": {"model": CHEAP}}],
    })  # fmt: skip
    await store.create("acme", "models", definition)
    await store.start("acme", "models")
    calls = in_experiment()
    await write_calls(ground.pool, ground.topic, [*calls, *OTHERS])
    assert await found(ground) == [], "nothing is known of the units yet"

    folds = (EXPERIMENT_REQUESTS, EXPERIMENT_UNITS)
    async with ground.workers(folds):
        await publish(ground, calls)
        await ground.until(lambda: counted(ground, "requests", len(calls)))
        assert await found(ground) == [], "nobody has rated an answer: equal quality is not shown"
        await give(ground, [rating(body) for body in calls])
        await ground.until(lambda: counted(ground, "ratings", len(calls)))
    (one,) = await found(ground)
    assert (one.tenant_id, one.subject) == ("acme", {"model": DEAR, "instead": CHEAP})
    # Ten days of a month of thirty: three times what all calls to the dear model would have cost less.
    assert one.saving_usd == 3 * (COST - INSTEAD)
    assert (one.evidence["experiment_id"], one.evidence["calls"]) == ("models", UNITS + 2)
    assert one.evidence["cost_usd"] == f"{COST:f}"
    assert (one.evidence["rating_at_worst"], one.evidence["errors_at_worst"]) == (0, 0)


def rating(body: Body) -> FeedbackGiven:
    return FeedbackGiven(
        feedback_id=uuid4(), request_id=UUID(str(body["request_id"])), tenant_id="acme", thumbs="up", given_at=NOW,
        conversation_id=str(body["conversation_id"]),
    )  # fmt: skip


async def counted(ground: StreamGround, column: str, count: int) -> bool:
    query = f"SELECT coalesce(sum({column}), 0) FROM streams.experiment_units"
    return int(await ground.pool.fetchval(query)) >= count
