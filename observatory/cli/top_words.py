"""Numbers and lines as `observatory top` writes them: short, for a screen of 80 columns. Here money is rounded."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from observatory.adapters.lag import CHAT_GROUP, LEDGER_GROUP, STREAMS_GROUP
from observatory.cli.bars import levels
from observatory.cli.top_observed import LIVE_S, Observed, Work
from schemas.base import decimal_text

UNKNOWN = "–"
LINE_S = 60
_MOST_DECIMALS = 9
_THOUSAND = 1000


def usd(amount: Decimal | None) -> str:
    """Dollars with two decimals; large ones without, small ones with three digits that say something."""
    if amount is None:
        return UNKNOWN
    if abs(amount) >= _THOUSAND:
        return count(int(amount))
    digits = 2 if not amount or abs(amount) >= 1 else min(_MOST_DECIMALS, 2 - amount.adjusted())
    return f"{amount:,.{digits}f}"


def count(value: int | None) -> str:
    """In groups of thousands; from a hundred thousand on in thousands (k) or millions (M)."""
    if value is None:
        return UNKNOWN
    if abs(value) < 100_000:
        return f"{value:,}"
    return f"{value / 1000:.0f}k" if abs(value) < 10_000_000 else f"{value / 1_000_000:,.0f}M"


def rate(value: float) -> str:
    """A second; large ones without decimals."""
    return f"{value:.1f}" if value < _THOUSAND else count(int(value))


def milliseconds(value: float | None) -> str:
    """'12', '3.4 s', '2 min': never more than six characters."""
    if value is None:
        return UNKNOWN
    if value < 1000:
        return f"{value:.0f}"
    return f"{value / 1000:.1f} s" if value < 60_000 else f"{value / 60_000:.0f} min"


def share(value: float | None) -> str:
    """Percent."""
    return UNKNOWN if value is None else f"{100 * value:.1f}%"


def ratio(part: int, whole: int) -> str:
    """A part in percent of the whole."""
    return share(part / whole if whole else None)


def age(moment: datetime | None, now: datetime) -> str:
    """How long ago."""
    if moment is None:
        return UNKNOWN
    seconds = max(0.0, (now - moment).total_seconds())
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def clock(moment: datetime | None) -> str:
    """The time of day in UTC."""
    return UNKNOWN if moment is None else f"{moment.astimezone(UTC):%H:%M:%S}"


def exact(value: object) -> str:
    """A value with all that it says: money with all its digits, times in full."""
    if isinstance(value, Decimal):
        return decimal_text(value)
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f} UTC" if isinstance(value, datetime) else str(value)


def clip(text: str, width: int) -> str:
    """No more than so many characters; what is missing is marked."""
    return text if len(text) <= width else text[: width - 1] + "…"


def head(observed: Observed, now: datetime, *, blocks: bool) -> list[str]:
    """What stands above every view: six lines of at most 80 characters, the last of them what is wrong, or nothing."""
    live, feed = observed.live(), observed.feed
    line = levels(feed.windows.calls_by_second(observed.end, LINE_S), 20, blocks=blocks)
    state = "AWAY" if feed.problem else "live"
    flying = UNKNOWN if feed.in_flight is None or feed.problem else f"{feed.in_flight:,}"
    return [
        f"{clock(now)} UTC  {observed.url}  tenant {feed.tenant_id or UNKNOWN}  {state}, "
        f"complete {age(feed.complete_until, now)} ago",
        f"calls/s {rate(live.calls_per_s):>8}  in flight {flying:>6}  errors {share(live.error_rate):>6}  {line}",
        f"$/hour {usd(live.usd_per_hour):>9}  tokens/s {live.tokens_per_s:7,.0f}  unpriced {live.unpriced_calls:>5}  "
        f"(last {LIVE_S} s; line: {LINE_S} s)",
        f"ms  p50 {_quantile(live.latency_ms(0.5))}  p95 {_quantile(live.latency_ms(0.95))}  "
        f"p99 {_quantile(live.latency_ms(0.99))}  first token p95 {_quantile(live.ttft_ms(0.95))}",
        f"{_pipeline(observed.work, now)}",
        _wrong(observed.wrong()) or _standing(observed),
    ]


def _quantile(value: float | None) -> str:
    return f"{milliseconds(value):>6}"


def _pipeline(work: Work | None, now: datetime) -> str:
    if work is None:
        return "lag  –"
    lags = {group: lag_of(work, group) for group in (CHAT_GROUP, LEDGER_GROUP, STREAMS_GROUP)}
    shown = "  ".join(f"{name} {count(lags[group])}" for name, group in _SHORT.items())
    waits = None if work.busy is None else work.busy.unpublished_calls + work.busy.unpublished_outcomes
    letters = None if work.letters is None else sum(lag.records for lag in work.letters)
    return f"lag  {shown}  ledger {age(work.watermark, now)} behind  unsent {count(waits)}  letters {count(letters)}"


_SHORT = {"chat": CHAT_GROUP, "ledger": LEDGER_GROUP, "streams": STREAMS_GROUP}


def lag_of(work: Work, group: str) -> int | None:
    """The records that a group is behind, over all its topics; None where that is not known."""
    if work.lags is None:
        return None
    return sum(lag.records for lag in work.lags if lag.group.endswith(group))


def _standing(observed: Observed) -> str:
    if observed.answers is None:
        return ""
    budgets, alerts = observed.answers.budgets, observed.answers.alerts
    over = sum(budget.spent_usd + budget.reserved_usd >= budget.limit_usd for budget in budgets)
    critical = sum(alert.severity == "critical" for alert in alerts)
    return f"budgets {len(budgets)}, {over} used up  alerts {len(alerts)}, {critical} critical"


def _wrong(problems: Sequence[str]) -> str:
    return f"! {' | '.join(problems)}" if problems else ""
