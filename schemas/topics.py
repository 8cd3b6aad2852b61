"""The topic catalogue: every topic that our code writes or reads, with its events and its settings.

Topics are created from here by `observatory migrate`; nothing is auto-created.
"""

from dataclasses import dataclass

from schemas.adjustments import CostAdjusted
from schemas.alerts import AlertRaised, AlertResolved
from schemas.base import Event
from schemas.calls import LlmCallRecorded
from schemas.chat import ChatCompleted, ChatDelta, ChatFailed, ChatRequested, ChatRestarted
from schemas.feedback import FeedbackGiven
from schemas.health import ProviderHealth
from schemas.metrics import MetricsWindow
from schemas.spans import SpansReceived

DAY_MS = 24 * 60 * 60 * 1000
MAX_RECORD_BYTES = 8_000_000
"""The longest record that any of our clients writes or reads: a context of a million characters must pass."""

DLQ_SUFFIX = ".dlq"


@dataclass(frozen=True, kw_only=True)
class Topic:
    """One topic: `key` says in words what its records are keyed by; `events` are the types it carries."""

    name: str
    key: str
    events: tuple[type[Event], ...]
    description: str
    partitions: int = 8
    retention_ms: int = 7 * DAY_MS
    cleanup_policy: str = "delete"

    @property
    def dlq(self) -> str:
        """The name of the topic for records of this one that could not be read."""
        return self.name + DLQ_SUFFIX

    @property
    def config(self) -> dict[str, str]:
        """The broker's settings. `LogAppendTime` puts waiting times on one clock, the broker's."""
        return {
            "retention.ms": str(self.retention_ms),
            "cleanup.policy": self.cleanup_policy,
            "message.timestamp.type": "LogAppendTime",
            "max.message.bytes": str(MAX_RECORD_BYTES + 500_000),
        }


CHAT_REQUESTS = Topic(
    name="chat.requests",
    key="conversation_id, else request_id",
    events=(ChatRequested,),
    description="What clients ask. Publish here to have a chat request answered.",
)
CHAT_RESPONSES = Topic(
    name="chat.responses",
    key="as the request's",
    events=(ChatDelta, ChatRestarted, ChatCompleted, ChatFailed),
    description="What clients hear back. Subscribe here for answers.",
)
LLM_CALLS = Topic(
    name="llm.calls",
    key="conversation_id, else request_id; adjustments by tenant_id",
    events=(LlmCallRecorded, CostAdjusted),
    description="Every call to a provider with its usage, cost and latency, one record for each revision; and what a "
    "provider billed besides.",
    retention_ms=30 * DAY_MS,
)
ALERT_EVENTS = Topic(
    name="alert.events",
    key="tenant_id",
    events=(AlertRaised, AlertResolved),
    description="What needs attention: budgets at a threshold, models without a price, anomalies; and when it is over.",
    retention_ms=30 * DAY_MS,
)
FEEDBACK_GIVEN = Topic(
    name="feedback.given",
    key="conversation_id, else request_id",
    events=(FeedbackGiven,),
    description="How good answers were. Publish here, under any key, to have an answer's score counted.",
    retention_ms=30 * DAY_MS,
)
FEEDBACK_ROUTED = Topic(
    name="feedback.routed",
    key="as the request's calls",
    events=(FeedbackGiven,),
    description="Feedback again, each in the partition of the calls that it is about, its conversation filled in.",
    retention_ms=30 * DAY_MS,
)

TRACE_SPANS = Topic(
    name="trace.spans",
    key="trace_id",
    events=(SpansReceived,),
    description="Spans of traces: of our own requests, and of the applications that send theirs.",
)

METRICS_LIVE = Topic(
    name="metrics.live",
    key="tenant_id",
    events=(MetricsWindow,),
    description="One-second windows of a tenant's calls, tokens, costs and latencies, as they happen.",
    retention_ms=DAY_MS,
)

PROVIDER_HEALTH = Topic(
    name="provider.health",
    key="provider",
    events=(ProviderHealth,),
    description="How well each provider and its models serve; of each provider the latest event holds.",
    retention_ms=DAY_MS,
    cleanup_policy="compact",
)

TOPICS: tuple[Topic, ...] = (
    CHAT_REQUESTS,
    CHAT_RESPONSES,
    LLM_CALLS,
    ALERT_EVENTS,
    FEEDBACK_GIVEN,
    FEEDBACK_ROUTED,
    TRACE_SPANS,
    METRICS_LIVE,
    PROVIDER_HEALTH,
)
WRITTEN_BY_CLIENTS: tuple[Topic, ...] = (CHAT_REQUESTS, FEEDBACK_GIVEN)
"""What any client may publish to; the others are written by our processes alone."""

EVENT_TYPES: dict[str, type[Event]] = {event.ce_type: event for topic in TOPICS for event in topic.events}


def topic_named(name: str) -> Topic:
    """The topic of that name. Raises `KeyError` for one that is not in the catalogue."""
    return {topic.name: topic for topic in TOPICS}[name]
