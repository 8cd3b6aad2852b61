"""What the rows of an export say, whatever its format; and what is wrong with it, with every place.

A field is read with the place where it stands. What it cannot be is noted as a problem and reading goes on, so that
one reading names all problems.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from observatory.rules.money import bookable
from observatory.rules.usage import MAX_TOKENS
from schemas.base import MAX_NAME_LENGTH
from schemas.calls import Usage

SHOWN_PROBLEMS = 1_000
_DAY = timedelta(days=1)
_DIGITS = re.compile(r"-?\d{1,20}")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_NOTHING = (None, "", 0, "0", "0.0", False)


class ExportRefused(Exception):
    """The export cannot be taken, as a whole; the message has a line for every problem with the place of each."""


@dataclass
class Problems:
    """What is wrong so far: all are counted, the first thousand kept."""

    found: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, where: str, what: str) -> None:
        """Notes one."""
        self.count += 1
        if self.count <= SHOWN_PROBLEMS:
            self.found.append(f"{where}: {what}")

    def refuse(self) -> None:
        """Raises `ExportRefused` when there are any."""
        if not self.count:
            return
        more = [f"and {self.count - SHOWN_PROBLEMS} more"] if self.count > SHOWN_PROBLEMS else []
        heading = f"the export is refused and nothing of it was applied, {self.count} problem(s):"
        raise ExportRefused("\n  ".join([heading, *self.found, *more]))


@dataclass(frozen=True, slots=True)
class Window:
    """The period that a row sums up, or the moment of one call (`end` None). Both in UTC."""

    begin: datetime
    end: datetime | None

    @property
    def day(self) -> date:
        """The day in UTC to which it belongs."""
        return self.begin.date()


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """What a layout reads of a row. None: this kind of export does not say it. Cost in US dollars.

    `model` is the provider's name for it; None for a row that only says that nothing was used.
    """

    model: str | None
    calls: int | None = None
    usage: Usage | None = None
    cost_usd: Decimal | None = None
    service_tier: str | None = None
    response_id: str | None = None
    call_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """One row of an export: `where` it stands, the layout's `kind`, and `identity`, which no other row may have."""

    where: str
    kind: str
    identity: tuple[object, ...]
    window: Window
    measures: Measures


class Fields:
    """The fields of one row, by flat names: `cache_creation_ephemeral_5m_input_tokens` may stand deeper in JSON."""

    def __init__(self, raw: Mapping[str, object], where: str, problems: Problems) -> None:
        self._raw, self.where, self._problems = raw, where, problems
        self.good = True

    def problem(self, name: str, what: str) -> None:
        """Notes what is wrong with a field."""
        self.good = False
        self._problems.add(f"{self.where}, {name}" if name else self.where, what)

    def has(self, name: str) -> bool:
        """Whether it says anything."""
        return self._raw.get(name) not in (None, "")

    def count(self, name: str, *, required: bool = False) -> int:
        """A number of tokens or calls; 0 where it is absent."""
        value = self._raw.get(name)
        if value in (None, ""):
            if required:
                self.problem(name, "is missing")
            return 0
        if isinstance(value, str) and _DIGITS.fullmatch(value.strip()):
            value = int(value)
        if type(value) is not int or not 0 <= value <= MAX_TOKENS:
            self.problem(name, f"{str(value)[:40]} is no count")
            return 0
        return value

    def text(self, name: str, *, missing: str | None = None) -> str | None:
        """A name; None where it is absent, a problem that says `missing` where that is given."""
        value = self._raw.get(name)
        if value in (None, ""):
            if missing is not None:
                self.problem(name, missing)
            return None
        if not isinstance(value, str) or len(value) > MAX_NAME_LENGTH or _UNPRINTABLE.search(value):
            self.problem(name, f"{str(value)[:40]!r} is no name")
            return None
        return value

    def flag(self, name: str) -> bool:
        """A truth value; false where it is absent."""
        value = self._raw.get(name)
        known = {None: False, "": False, False: False, True: True, "false": False, "true": True}
        plain = value.lower() if isinstance(value, str) else value
        if not isinstance(plain, (str, bool, type(None))) or plain not in known:
            self.problem(name, f"{str(value)[:40]!r} is neither true nor false")
            return False
        return known[plain]

    def amount(self, name: str) -> Decimal | None:
        """An exact amount of money; None where it is absent."""
        value = self._raw.get(name)
        if value in (None, ""):
            return None
        if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
            self.problem(name, f"{str(value)[:40]!r} is no amount")
            return None
        try:
            return bookable(str(value).strip())
        except ValueError as error:
            self.problem(name, str(error))
            return None

    def usd(self, name: str, currency: str | None) -> Decimal | None:
        """An amount whose currency another field names: None for that field where the layout's currency is fixed."""
        amount = self.amount(name)
        if amount is None or currency is None:
            return amount
        stated = self._raw.get(currency)
        if not isinstance(stated, str) or stated.upper() != "USD":
            self.problem(currency, f"the currency is {str(stated)[:20]!r}; only USD is known")
        return amount

    def moment(self, name: str) -> datetime | None:
        """A time: seconds since 1970, RFC 3339, or a day in UTC."""
        value = self._raw.get(name)
        try:
            if isinstance(value, str) and not value.strip().isdigit():
                read = datetime.fromisoformat(value.strip())
                return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
            if isinstance(value, (str, int)) and not isinstance(value, bool):
                return datetime.fromtimestamp(int(value), UTC)
        except (ValueError, OverflowError, OSError):
            pass
        self.problem(name, "is missing" if value in (None, "") else f"{str(value)[:40]!r} is no time")
        return None

    def uuid(self, name: str) -> UUID | None:
        """A UUID; None where it is absent."""
        value = self.text(name)
        try:
            return None if value is None else UUID(value)
        except ValueError:
            self.problem(name, f"{str(value)[:40]!r} is no UUID")
            return None

    def unknown(self, known: Collection[str]) -> None:
        """Notes every field that says something and that the layout does not know: it may count what is billed."""
        for name, value in self._raw.items():
            if name not in known and value not in _NOTHING:
                self.problem(name, "is not known here, and what it counts may matter")

    def dimensions(self, names: Collection[str]) -> tuple[object, ...]:
        """The values that tell rows of one period apart, written in one way in JSON and CSV."""
        return tuple("" if (value := self._raw.get(name)) is None else str(value).lower() for name in names)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One kind of row of one provider.

    It is known by the fields in `marks`. `dimensions` tell rows of one period apart, `ignored` says nothing about
    amounts; of `window` two fields are the period, one is a whole day or the moment of one call. `kind` is what it is
    about: `usage`, `cost`, or `call` for rows that are one call each.
    """

    name: str
    kind: str
    marks: frozenset[str]
    dimensions: tuple[str, ...]
    measured: frozenset[str]
    ignored: frozenset[str]
    window: tuple[str, ...]
    read: Callable[[Fields], Measures]

    def exported(self, fields: Fields, window: Window | None, first: date, end: date) -> Exported | None:
        """The row, checked; None when something is wrong with it. It has to begin at or after `first`, before `end`."""
        fields.unknown(self.measured | self.ignored | {*self.dimensions, *self.window})
        window = window or self._window(fields)
        measures = self.read(fields)
        if window is None or not fields.good:
            return None
        if measures.model is not None and not first <= window.day < end:
            fields.problem("", f"it is of {window.day}, not of {first:%Y-%m}")
            return None
        if window.end is not None and not window.begin < window.end <= _midnight(window.day) + _DAY:
            fields.problem("", f"its period from {window.begin} to {window.end} is not within a day in UTC")
            return None
        identity = (self.kind, window.begin, window.end, *fields.dimensions(self.dimensions))
        return Exported(where=fields.where, kind=self.kind, identity=identity, window=window, measures=measures)

    def _window(self, fields: Fields) -> Window | None:
        moments = [fields.moment(name) for name in self.window]
        if None in moments:
            return None
        begin, *end = (moment for moment in moments if moment is not None)
        if self.kind == "call":
            return Window(begin, None)
        return Window(begin, end[0] if end else _midnight(begin.date()) + _DAY)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def usage_of(fields: Fields, **buckets: int) -> Usage | None:
    """Buckets as usage; a problem of the row where one is below zero or reasoning exceeds the output."""
    for name, tokens in buckets.items():
        if tokens < 0:
            fields.problem("", f"its parts are more than their whole: {name} would be {tokens}")
    if buckets.get("reasoning_tokens", 0) > buckets.get("output_tokens", 0):
        fields.problem("reasoning_tokens", "is more than output_tokens, of which it is a part")
    return Usage(**{name: tokens for name, tokens in buckets.items() if tokens}) if fields.good else None
