"""Sums of calls as the rows that clients get: averages, rates and differences are worked out here, from exact sums."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from observatory.adapters.postgres.analytics import Question, Row, Sums
from observatory.rules.averages import quotient, share
from observatory.rules.cost_reasons import Spending, reasons
from observatory.rules.money import MONEY, ZERO, total
from schemas.http_analytics_calls import CostFigures, CostReasons, CostRow, ModelRow, PerformanceFigures, PerformanceRow

_WORKED_OUT = ("tokens", "input_tokens", "average_cost_usd")
_COSTS = tuple(name for name in CostFigures.model_fields if name not in _WORKED_OUT)
_DURATIONS = tuple(name for name in PerformanceFigures.model_fields if name.endswith("_ms"))
_THOUSAND = 1000


def cost_row(question: Question, row: Row) -> CostRow:
    """What a group costs and, where the period before is asked for, what it did."""
    now, compared = _costs(row.now), question.compare
    before = _costs(row.before) if compared else None
    return CostRow.model_validate(
        {
            **_step(question, row),
            **now.model_dump(),
            "previous": before,
            "difference_usd": None if before is None else MONEY.subtract(now.cost_usd, before.cost_usd),
            "reasons": None if before is None else _reasons(before, now),
            "ratio": None if before is None else quotient(now.cost_usd, before.cost_usd),
        }
    )


def _reasons(before: CostFigures, now: CostFigures) -> CostReasons:
    then, since = (Spending(each.calls, each.tokens, each.cost_usd) for each in (before, now))
    return CostReasons(**asdict(reasons(then, since)))


def performance_row(question: Question, row: Row) -> PerformanceRow:
    """How the calls of a group went and, where the period before is asked for, how they did."""
    seconds = _length(question, row.at).total_seconds()
    now = _performance(row.now, seconds)
    before = _performance(row.before, seconds) if question.compare else None
    return PerformanceRow.model_validate(
        {
            **_step(question, row),
            **now.model_dump(),
            "previous": before,
            "latency_p95_difference_ms": None if before is None else _less(now.latency_p95_ms, before.latency_p95_ms),
            "error_rate_difference": None if before is None else _less(now.error_rate, before.error_rate),
        }
    )


def model_rows(rows: Sequence[Row]) -> list[ModelRow]:
    """Models side by side, grouped by provider and model."""
    whole = total(row.now.cost_usd for row in rows if row.now is not None)
    return [_model_row(row.names, row.now, whole) for row in rows if row.now is not None]


def _model_row(names: Sequence[str | None], sums: Sums, whole: Decimal) -> ModelRow:
    provider, model = names
    priced = sums.calls - sums.unpriced_calls
    output = sums.output_tokens + sums.output_audio_tokens
    by_thousand = MONEY.multiply(sums.cost_usd, _THOUSAND)
    return ModelRow(
        provider=provider or "",
        model=model or "",
        error_rate=share(sums.errors, sums.calls),
        input_tokens=_input(sums),
        cost_share=quotient(sums.cost_usd, whole),
        cost_per_call_usd=quotient(sums.cost_usd, priced),
        cost_per_1k_output_tokens_usd=None if sums.unpriced_calls else quotient(by_thousand, output),
        output_tokens_per_call=share(output, sums.calls),
        **{
            name: value
            for name, value in (asdict(sums) | {"output_tokens": output}).items()
            if name in ModelRow.model_fields and name != "input_tokens"
        },
    )


def _step(question: Question, row: Row) -> dict[str, object]:
    members = max(part.members for part in (row.now, row.before) if part is not None)
    group = dict(zip(question.group_by, row.names, strict=True)) if question.group_by and not row.other else None
    return {"at": row.at, "group": group, "other": row.other, "groups": members}


def _costs(sums: Sums | None) -> CostFigures:
    if sums is None:
        return _NO_COSTS
    average = quotient(sums.cost_usd, sums.calls - sums.unpriced_calls)
    read = _input(sums)
    return CostFigures(
        **{name: getattr(sums, name) for name in _COSTS},
        tokens=read + sums.output_tokens + sums.output_audio_tokens,
        input_tokens=read,
        average_cost_usd=average,
    )


_NO_COSTS = CostFigures.model_validate(
    {name: ZERO if name.endswith("_usd") else 0 for name in CostFigures.model_fields} | {"average_cost_usd": None}
)


def _performance(sums: Sums | None, seconds: float) -> PerformanceFigures:
    calls, errors = (sums.calls, sums.errors) if sums else (0, 0)
    output = sums.output_tokens + sums.output_audio_tokens if sums else 0
    return PerformanceFigures(
        calls=calls,
        errors=errors,
        error_rate=share(errors, calls),
        **{name: getattr(sums, name) if sums else None for name in _DURATIONS},
        calls_per_second=calls / seconds,
        output_tokens=output,
        output_tokens_per_second=output / seconds,
    )


def _length(question: Question, at: datetime | None) -> timedelta:
    """How much of the period a step has."""
    if at is None:
        return question.period.length
    end = _end(question, at)
    return min(end, question.period.end) - max(at, question.period.start)


def _end(question: Question, at: datetime) -> datetime:
    if question.granularity in ("minute", "hour"):
        return at + (timedelta(hours=1) if question.granularity == "hour" else timedelta(minutes=1))
    zone = ZoneInfo(question.zone)
    local = at.astimezone(zone).replace(tzinfo=None)
    if question.granularity == "day":
        following = local.replace(hour=12) + timedelta(days=1)
    else:
        following = local.replace(day=15) + timedelta(days=31)
        following = following.replace(day=1)
    return following.replace(hour=0, minute=0, second=0, tzinfo=zone).astimezone(UTC)


def _input(sums: Sums) -> int:
    return (
        sums.uncached_input_tokens + sums.cache_read_tokens + sums.cache_write_5m_tokens + sums.cache_write_1h_tokens
        + sums.input_audio_tokens + sums.input_image_tokens
    )  # fmt: skip


def _less(now: float | None, before: float | None) -> float | None:
    return None if now is None or before is None else now - before
