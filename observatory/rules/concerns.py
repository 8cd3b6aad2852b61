"""Whether anything is wrong right now: what is not as it should be, in sentences, and all of it in one line."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from schemas.alerts import Severity
from schemas.health import HealthState
from schemas.http_status import ConcernKind, StatusState

LATE = timedelta(seconds=60)
"""Figures that are complete up to a moment longer ago are late, and rows that wait longer for the broker hang."""

MUCH_LAG, TOO_MUCH_LAG = 1_000, 100_000
"""Records behind that are worth a look, and that are wrong: as Prometheus' rules have them."""

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Concern:
    """Something that is not as it should be; `things`: how many of them the sentence is about."""

    kind: ConcernKind
    severity: Severity
    subject: str
    sentence: str
    things: int = 1


def of_processes(problems: Mapping[str, str | None]) -> list[Concern]:
    """Of each process why it is not well; None: it is."""
    return [
        Concern("process", "critical", name, f"{name} is not well: {problem}")
        for name, problem in problems.items()
        if problem is not None
    ]


def of_service(name: str, problem: str) -> Concern:
    """Kafka or PostgreSQL could not be asked."""
    return Concern("service", "critical", name, f"{name} does not answer: {problem}")


def of_providers(states: Mapping[str, HealthState]) -> list[Concern]:
    """Providers that do not serve as they should."""
    return [
        Concern("provider", "critical" if state == "down" else "warning", name, f"provider {name} is {state}")
        for name, state in states.items()
        if state != "healthy"
    ]


def of_alerts(standing: Mapping[tuple[str, Severity], tuple[int, str]]) -> list[Concern]:
    """How many alerts of a kind and severity stand, and what the latest of them says."""
    return [
        Concern(
            "alert",
            severity,
            kind,
            latest if alerts == 1 else f"{latest} (and {alerts - 1:,} more of this kind)",
            alerts,
        )
        for (kind, severity), (alerts, latest) in standing.items()
    ]


def of_lag(group: str, topic: str, records: int) -> list[Concern]:
    """A consumer group that is far behind."""
    if records < MUCH_LAG:
        return []
    severity: Severity = "critical" if records >= TOO_MUCH_LAG else "warning"
    return [Concern("lag", severity, group, f"{group} is {records:,} records behind on {topic}")]


def of_watermark(now: datetime, complete_until: datetime | None) -> list[Concern]:
    """Figures that are not complete up to now, or a minute ago."""
    if complete_until is None:
        return [Concern("watermark", "warning", "ledger", "figures are not complete yet: not every partition was read")]
    if now - complete_until <= LATE:
        return []
    seconds = (now - complete_until) // timedelta(seconds=1)
    return [Concern("watermark", "warning", "ledger", f"figures are complete only up to {seconds:,} s ago")]


def of_outbox(what: str, waiting: int, oldest_s: float) -> list[Concern]:
    """Rows that wait too long for the broker."""
    if not waiting or oldest_s <= LATE.total_seconds():
        return []
    return [
        Concern("outbox", "warning", what, f"{waiting:,} {what} wait for the broker, the oldest for {oldest_s:,.0f} s")
    ]


def of_dead_letters(topic: str, waiting: int) -> list[Concern]:
    """Records that could not be read and were not sent again."""
    if not waiting:
        return []
    verb = "waits" if waiting == 1 else "wait"
    return [
        Concern(
            "dead_letters", "warning", topic, f"{counted(waiting, 'dead letter')} of {topic} {verb} to be sent again"
        )
    ]


def worst_first(concerns: Iterable[Concern]) -> list[Concern]:
    """What is critical, then the rest, each in the order given."""
    return sorted(concerns, key=lambda one: one.severity != "critical")


def state_of(concerns: Sequence[Concern]) -> StatusState:
    """`wrong` when anything is critical."""
    if any(one.severity == "critical" for one in concerns):
        return "wrong"
    return "attention" if concerns else "ok"


def summary(concerns: Sequence[Concern], processes: int) -> str:
    """The answer in one line; `concerns` the worst first."""
    if not concerns:
        told = f"all {processes} processes are well, " if processes else ""
        return f"Nothing is wrong: {told}no alert stands, and figures are complete."
    critical = [one for one in concerns if one.severity == "critical"]
    if not critical:
        return f"Nothing is down, but {_told(concerns)}."
    things = _things(critical)
    wrong = f"{counted(things, 'thing')} {'is' if things == 1 else 'are'} wrong: {_told(critical)}."
    rest = _things(concerns) - things
    return f"{wrong} {rest:,} more {'needs' if rest == 1 else 'need'} attention." if rest else wrong


def _told(concerns: Sequence[Concern]) -> str:
    """The first of them, and how many things besides are not named."""
    more = _things(concerns[_SHOWN:])
    return "; ".join(one.sentence for one in concerns[:_SHOWN]) + (f"; and {more:,} more" if more else "")


def _things(concerns: Iterable[Concern]) -> int:
    return sum(one.things for one in concerns)


def counted(number: int, noun: str) -> str:
    """`1 thing`, `1,234 things`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
