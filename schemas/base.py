"""What every event body shares: strict types, unknown fields ignored, no NaN, times with a zone, money as a string.

Unknown fields are ignored because a newer producer may be rolling out; HTTP bodies tighten that themselves.
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, ClassVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)

MAX_NAME_LENGTH = 256


def _decimal_from_text(value: object) -> Decimal:
    """Accepts a decimal string (or a Decimal in Python code), never a JSON number: that has been a float somewhere."""
    if isinstance(value, Decimal):
        return value
    if not isinstance(value, str):
        raise ValueError("money is a decimal string, for example '0.0125'")
    try:
        return Decimal(value)
    except ArithmeticError as error:
        raise ValueError(f"not a decimal number: {value[:40]!r}") from error


def _finite(value: Decimal) -> Decimal:
    if not value.is_finite():
        raise ValueError("money must be a finite number")
    return value


def decimal_text(value: Decimal) -> str:
    """The plain positional notation of a decimal, never an exponent: `0.00000015`, not `1.5E-7`."""
    return format(value, "f")


Usd = Annotated[
    Decimal,
    BeforeValidator(_decimal_from_text),
    AfterValidator(_finite),
    PlainSerializer(decimal_text, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$", "description": "US dollars, exact"}),
]
"""US dollars: `Decimal` in Python, a decimal string in JSON."""

MAX_AMOUNT_DIGITS = 34
MAX_AMOUNT_MAGNITUDE = 12
MAX_AMOUNT_DECIMALS = 43


def _sensible(value: Decimal) -> Decimal:
    _, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int) or len(digits) > MAX_AMOUNT_DIGITS or exponent < -MAX_AMOUNT_DECIMALS:
        raise ValueError(f"money has at most {MAX_AMOUNT_DIGITS} digits and {MAX_AMOUNT_DECIMALS} decimals")
    if value.adjusted() >= MAX_AMOUNT_MAGNITUDE:
        raise ValueError("money is below a million million dollars")
    return value


Amount = Annotated[Usd, AfterValidator(_sensible)]
"""US dollars that a client names: of a size that can be booked, so that no short text means a billion digits."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME_LENGTH, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""An identifier that people choose: tenant, user, conversation, model; printable, at most 256 characters."""

Tokens = Annotated[int, Field(ge=0, le=2**53)]
Milliseconds = Annotated[float, Field(ge=0)]


def _is_written(value: object) -> object:
    """Pydantic reads numbers, and texts of digits, as seconds since 1970; here they are no times."""
    if isinstance(value, datetime) or (isinstance(value, str) and "-" in value[1:]):
        return value
    raise ValueError("write a time as in 2026-11-24T12:00:00Z")


Time = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_is_written)]
"""RFC 3339, with a zone. What is a time is decided before, so what is left may be read leniently."""

Tags = Annotated[dict[Name, Annotated[str, StringConstraints(max_length=1024)]], Field(max_length=64)]


class Body(BaseModel):
    """A JSON body. Instances are immutable."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False, frozen=True)


class Event(Body):
    """The body of one CloudEvent; `ce_type` is its CloudEvents type, with the version."""

    ce_type: ClassVar[str]

    def to_json(self) -> bytes:
        """UTF-8 JSON without the fields that are not set."""
        return self.__pydantic_serializer__.to_json(self, exclude_none=True)


def rfc3339(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds and `Z`, as every time on the wire is written."""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
