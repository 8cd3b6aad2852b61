"""Which names a model of a price list goes by: the list's match clauses, as JSON.

A clause is `{"equals": text}`, `{"starts_with": text}`, `{"ends_with": text}`, `{"contains": text}`, `{"regex": text}`,
`{"or": [clause, …]}` or `{"and": [clause, …]}`. Names are compared in lower case, as genai-prices compares them.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date

Matcher = Callable[[str], bool]
"""Whether a name, given in lower case, is one of the model's."""

_COMPACT_DATE = re.compile(r"(-)(20\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)")

_TEXT_CLAUSES: Mapping[str, Callable[[str], Matcher]] = {
    "equals": lambda text: text.lower().__eq__,
    "starts_with": lambda text: lambda name: name.startswith(text.lower()),
    "ends_with": lambda text: lambda name: name.endswith(text.lower()),
    "contains": lambda text: lambda name: text.lower() in name,
    "regex": lambda text: lambda name: re.search(text, name) is not None,
}


def matcher(clause: object) -> Matcher:
    """The clause as a function. Raises `ValueError` for what is no clause."""
    if not isinstance(clause, Mapping) or len(clause) != 1:
        raise ValueError(f"no match clause: {clause!r}")
    ((kind, value),) = clause.items()
    if kind in _TEXT_CLAUSES and isinstance(value, str):
        return _TEXT_CLAUSES[kind](value)
    if kind in ("or", "and") and isinstance(value, Sequence) and not isinstance(value, str):
        parts = [matcher(part) for part in value]
        if kind == "or":
            return lambda name: any(part(name) for part in parts)
        return lambda name: all(part(name) for part in parts)
    raise ValueError(f"no match clause: {clause!r}")


def spellings(name: str) -> tuple[str, ...]:
    """The name in lower case and, where it ends in a compact date (`-20251211`), with the date in dashes."""
    lower = name.lower()
    dashed = _COMPACT_DATE.sub(_with_dashes, lower)
    return (lower,) if dashed == lower else (lower, dashed)


def _with_dashes(match: re.Match[str]) -> str:
    year, month, day = (int(match.group(index)) for index in range(2, 5))
    try:
        date(year, month, day)
    except ValueError:
        return match.group(0)
    return f"{match.group(1)}{year:04d}-{month:02d}-{day:02d}"


_VERSION_DATE = re.compile(r"-(20\d{2}-\d{2}-\d{2}|20\d{6})$")


def without_date(name: str) -> str:
    """The name without the date of its version: what is asked for and what answers then have one name."""
    return _VERSION_DATE.sub("", name)
