"""Bodies of `/api/v1/status` and `/api/v1/alerts/standing`: whether anything is wrong right now."""

from typing import Literal

from schemas.alerts import Severity
from schemas.base import Body, Time

StatusState = Literal["ok", "attention", "wrong"]
ConcernKind = Literal["process", "service", "provider", "alert", "lag", "watermark", "outbox", "dead_letters"]


class ConcernView(Body):
    """Something that is not as it should be, in a sentence; `subject` names what it is about."""

    kind: ConcernKind
    severity: Severity
    subject: str
    sentence: str


class ProcessView(Body):
    """A process of the stack: whether its health address says that it is well, and else why not."""

    name: str
    ok: bool
    problem: str | None


class LagView(Body):
    """How many records of a topic a consumer group has not committed yet."""

    group: str
    topic: str
    records: int


class OutboxView(Body):
    """Rows that wait for the broker's acknowledgement, and since how many seconds the oldest does."""

    what: str
    waiting: int
    oldest_s: float


class StandingAlerts(Body):
    """How many alerts stand, in sum and by kind and severity: of all tenants that may be seen."""

    alerts: int
    critical: int
    kinds: list["StandingKind"]


class StandingKind(Body):
    """Alerts of a kind and severity."""

    kind: str
    severity: Severity
    alerts: int


class StatusView(Body):
    """Whether anything is wrong right now: `summary` in one line, `concerns` one by one, the worst first.

    `attention`: nothing is down, but something should be looked at. `processes` is empty where the gateway was not told
    of any (`OBSERVATORY_PROCESSES`). What could not be asked is null, and a concern says why. Dead letters are counted
    for operators only.
    """

    asked_at: Time
    state: StatusState
    summary: str
    concerns: list[ConcernView]
    processes: list[ProcessView]
    lags: list[LagView] | None
    watermark: Time | None
    outbox: list[OutboxView] | None
    alerts: StandingAlerts | None
    dead_letters_waiting: int | None
