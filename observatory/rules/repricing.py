"""What a call that was accounted for would cost at the prices of a book: the same rule by which it was priced at first.

Promises: with the book as of the version that a call was priced with, the answer is the cost that it has.
"""

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from observatory.rules.pricing import PriceQuery, Prices, cost_of_call
from observatory.rules.usage import StoredUsage
from schemas.calls import LlmCallRecorded, Usage

_SIMULATED = "sim-"


class PricedCall(NamedTuple):
    """What of a call decides its cost, and the cost that it has. `usage` is None where none is known."""

    started_at: datetime
    tenant_id: str
    provider: str
    request_model: str
    response_model: str | None
    region: str | None
    service_tier: str | None
    usage_source: str
    usage: Usage | StoredUsage | None
    cost_usd: Decimal | None
    price_version: str | None


def price_kind(provider: str) -> str:
    """Whose price table is asked for calls to a provider: simulated providers charge as the real ones."""
    return provider.removeprefix(_SIMULATED)


def priced_call(body: bytes) -> PricedCall:
    """From the body of `llm.call.recorded`. Raises `pydantic.ValidationError`."""
    call = LlmCallRecorded.model_validate_json(body)
    return PricedCall(
        started_at=call.started_at,
        tenant_id=call.tenant_id,
        provider=call.provider,
        request_model=call.request_model,
        response_model=call.response_model,
        region=call.region,
        service_tier=call.service_tier,
        usage_source=call.usage_source,
        usage=call.usage,
        cost_usd=call.cost_usd,
        price_version=call.price_version,
    )


def cost_again(call: PricedCall, prices: Prices) -> tuple[Decimal | None, str | None]:
    """USD and the name of the price version; both None where a token has no known price or no usage is known.

    A call that has a cost without a price (it was refused, or never sent) keeps it whatever prices are.
    """
    if call.cost_usd is not None and (call.price_version is None or call.usage_source == "missing"):
        return call.cost_usd, call.price_version
    if call.usage is None:
        return None, None
    query = PriceQuery(
        kind=price_kind(call.provider),
        model=call.response_model or call.request_model,
        at=call.started_at,
        service_tier=call.service_tier,
        tenant_id=call.tenant_id,
        region=call.region,
        deployment=call.request_model,
    )
    return cost_of_call(prices, query, call.usage) or (None, None)
