"""What a table of `observatory top` is, and the one that shows a single thing field by field.

All of them fit into 80 columns; `room` is what a terminal has beyond that, which texts are then given.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Protocol
from uuid import UUID

from observatory.adapters.postgres.call_views import CallLine, CallQuery
from observatory.cli.top_observed import GroupLine, Observed
from observatory.cli.top_words import exact
from schemas.base import Body

Row = tuple[str, tuple[str, ...]]
"""A key by which the row is known again, and its cells."""


class Books(Protocol):
    """Single calls, and the groups of one tenant. Each raises `Problem`."""

    async def calls(self, query: CallQuery) -> Sequence[CallLine]: ...

    async def call(self, call_id: UUID, started_at: datetime) -> Sequence[tuple[str, str]]: ...

    async def models_of(self, tenant: str) -> Sequence[GroupLine]: ...


class View(Protocol):
    """One table."""

    columns: ClassVar[tuple[str, ...]]
    left: ClassVar[int]
    """So many columns are texts, the others numbers."""
    orders: ClassVar[tuple[str, ...]]
    order: str

    @property
    def title(self) -> str: ...

    async def load(self, books: Books) -> None:
        """Asks for what is not observed all the time."""
        ...

    def rows(self, observed: Observed, room: int) -> list[Row]: ...

    def open(self, key: str, observed: Observed) -> "View | None":
        """What a row leads to."""
        ...


@dataclass
class Plain:
    """What most views are: of one order, loading nothing, leading nowhere."""

    left: ClassVar[int] = 1
    orders: ClassVar[tuple[str, ...]] = ("",)
    order: str = ""

    async def load(self, books: Books) -> None:
        return None

    def open(self, key: str, observed: Observed) -> View | None:
        return None


@dataclass
class FieldsView(Plain):
    """All that is known of one thing, name by name; of a call also the attempts of its request."""

    columns: ClassVar[tuple[str, ...]] = ("field", "value")
    left: ClassVar[int] = 2
    title: str = ""
    fields: Sequence[tuple[str, str]] = ()
    call: CallLine | None = None

    async def load(self, books: Books) -> None:
        if self.call is not None:
            self.fields = await books.call(self.call.call_id, self.call.started_at)

    def rows(self, observed: Observed, room: int) -> list[Row]:
        lines = [
            (name if not number else "", text)
            for name, value in self.fields
            for number, text in enumerate(textwrap.wrap(value, 54 + room) or [""])
        ]
        return [(str(number), line) for number, line in enumerate(lines)]


def fields_of(kind: str, name: str, body: Body) -> FieldsView:
    fields = [(name, exact(value)) for name, value in body if value is not None]
    return FieldsView(title=f"{kind} {name}", fields=fields)
