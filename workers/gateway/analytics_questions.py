"""What a client asks of the calls, as a question to the ledger: names from fixed lists, everything else refused."""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation

from observatory.adapters.postgres.analytics import DIMENSIONS, TAG, Position, Question
from observatory.rules.periods import BadPeriod, check_steps, zone_of
from schemas.http_analytics import DEFAULT_ROWS
from schemas.http_analytics_calls import CallParameters, GroupedParameters
from workers.gateway.access import Access
from workers.gateway.analytics_query import Asked, Scalar, tenant_of, unfit
from workers.gateway.api_bodies import time_in
from workers.gateway.refusals import Refusal, invalid

MAX_GROUPS = 5


def grouped_question(
    asked: Asked, parameters: GroupedParameters, access: Access, *, durations: bool, csv: bool
) -> Question:
    """Raises `Refusal` 422, 403 for another tenant's calls."""
    group_by = _group_by(parameters.group_by)
    if parameters.top is not None and not group_by:
        raise unfit("top", "chooses among groups: it needs group_by")
    if parameters.order == "change" and parameters.compare is None:
        raise unfit("order", "change needs something to compare with: compare=previous")
    try:
        check_steps(asked.period, parameters.granularity)
        zone = zone_of(parameters.time_zone, parameters.granularity)
    except BadPeriod as error:
        raise unfit(error.parameter, str(error)) from error
    return Question(
        period=asked.period,
        granularity=parameters.granularity,
        zone=zone,
        group_by=group_by,
        only=only(parameters, access),
        order=parameters.order,
        top=parameters.top,
        durations=durations,
        compare=parameters.compare is not None,
        limit=_limit(parameters, csv=csv),
        after=None if asked.after is None else _position(asked.after, len(group_by)),
    )


def only(parameters: CallParameters, access: Access) -> Mapping[str, Sequence[str]]:
    """Which calls: the values of each dimension that is limited. Raises `Refusal` 403."""
    chosen = {name: values for name in DIMENSIONS if (values := getattr(parameters, name)) is not None}
    chosen |= {TAG + key: values for key, values in (parameters.tags or {}).items()}
    tenants = tenant_of(access, parameters.tenant or [])
    return chosen | ({"tenant": tenants} if tenants else {})


def cursor_of(asked: Asked, position: Position) -> str:
    """The cursor of the page after a row."""
    at, other, minus, names = position
    return asked.next(None if at is None else at.isoformat(), int(other), str(minus), *names)


def _limit(parameters: GroupedParameters, *, csv: bool) -> int | None:
    """One row more than a page has, by which one knows of the next; as CSV all."""
    if parameters.limit is None:
        return None if csv else DEFAULT_ROWS + 1
    return parameters.limit + 1


def _group_by(text: str | None) -> Sequence[str]:
    names = [name.strip() for name in text.split(",")] if text is not None else []
    for name in names:
        if name not in DIMENSIONS and not (name.startswith(TAG) and len(name) > len(TAG)):
            raise unfit("group_by", f"{name[:40]!r} is none of {', '.join(DIMENSIONS)} and tag:KEY")
    if len(set(names)) < len(names):
        raise unfit("group_by", "a name stands twice")
    if len(names) > MAX_GROUPS:
        raise unfit("group_by", f"at most {MAX_GROUPS} at once")
    return names


def _position(after: Sequence[Scalar], groups: int) -> Position:
    try:
        at, other, minus, *names = after
        moment = None if at is None else time_in(str(at))
        value = Decimal(str(minus))
    except (ValueError, InvalidOperation):
        raise _bad_cursor() from None
    if len(names) != (0 if other else groups) or not value.is_finite():
        raise _bad_cursor()
    return moment, bool(other), value, [None if name is None else str(name) for name in names]


def _bad_cursor() -> Refusal:
    return invalid("the cursor is not one that a page of this list gave", "cursor")
