"""The calls of the last minutes, in `observatory top`."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from observatory.adapters.postgres.call_views import ORDERS, CallLine, CallQuery
from observatory.cli.top_observed import Observed
from observatory.cli.top_tables import Books, FieldsView, Row, View
from observatory.cli.top_words import clip, clock, count, milliseconds, usd

CALLS_OF = timedelta(minutes=15)


@dataclass
class CallsView:
    """Calls of the last minutes, of a tenant or model."""

    columns: ClassVar[tuple[str, ...]] = ("started", "tenant", "model", "status", "try", "ms", "out", "cost $")
    left: ClassVar[int] = 4
    orders: ClassVar[tuple[str, ...]] = tuple(ORDERS)
    order: str = "newest"
    tenant: str | None = None
    provider: str | None = None
    model: str | None = None
    _found: dict[str, CallLine] = field(default_factory=dict)

    @property
    def title(self) -> str:
        of = " ".join(filter(None, (self.tenant, self.provider, self.model)))
        return f"calls of {of or 'all'}, last {CALLS_OF.seconds // 60} min, {self.order}"

    async def load(self, books: Books) -> None:
        query = CallQuery(
            since=datetime.now(UTC) - CALLS_OF,
            tenant=self.tenant,
            provider=self.provider,
            model=self.model,
            order=self.order,
        )
        self._found = {str(call.call_id): call for call in await books.calls(query)}

    def rows(self, observed: Observed, room: int) -> list[Row]:
        return [(key, _call_cells(call, room)) for key, call in self._found.items()]

    def open(self, key: str, observed: Observed) -> View | None:
        return FieldsView(title=f"call {key}", call=self._found[key])


def _call_cells(call: CallLine, room: int) -> tuple[str, ...]:
    status = call.status if call.error_type is None else f"{call.status} {call.error_type}"
    cost = usd(call.cost_usd) + ("~" if call.cost_state == "estimated" else "")
    return (
        clock(call.started_at),
        clip(call.tenant_id, 9),
        clip(call.model, 15 + room),
        clip(status, 13),
        str(call.attempt),
        milliseconds(call.total_ms),
        count(call.output_tokens),
        cost,
    )
