"""What the chat worker counts."""

from prometheus_client import Counter, Gauge, Histogram

DEAD_LETTERS = Counter("observatory_chat_dead_letters_total", "Records of chat.requests that could not be read.")
OUTCOMES = Counter("observatory_chat_outcomes_total", "Requests by their outcome.", ["outcome"])
ATTEMPTS = Counter("observatory_chat_attempts_total", "Attempts by status and provider.", ["status", "provider"])
IN_FLIGHT = Gauge("observatory_chat_in_flight", "Requests being answered now.")
RESTING = Gauge("observatory_chat_resting", "Requests whose next attempt waits for a provider that is down.")
WAITING = Gauge("observatory_chat_waiting", "Requests read and not yet claimed.")
SWEPT = Counter("observatory_chat_swept_total", "Attempts found started with a lease that ended.")
LOST_LEASES = Counter("observatory_chat_lost_leases_total", "Requests whose lease was lost while we answered.")
CALL_SECONDS = Histogram(
    "observatory_llm_call_seconds",
    "Sent to last byte.",
    ["provider"],
    buckets=(0.005, 0.02, 0.1, 0.3, 1, 3, 10, 30, 120),
)

for _outcome in ("completed", "failed", "discarded"):
    OUTCOMES.labels(_outcome)  # 0 is shown too: of a series that begins at 1 nobody sees the increase
