"""The gateway's Prometheus metrics."""

from functools import lru_cache

from prometheus_client import Counter, Gauge, Histogram

_REQUESTS = Counter("observatory_gateway_requests_total", "Answered HTTP requests", ["route", "status"])
_SECONDS = Histogram(
    "observatory_gateway_request_seconds",
    "From a request's first byte to the last of its answer",
    ["route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120),
)
WAITING = Gauge("observatory_gateway_waiting", "Requests whose answer somebody here waits for")
LIVE_WATCHERS = Gauge("observatory_gateway_live_watchers", "Connections to the live feed")
REACHABLE = Gauge("observatory_gateway_reachable", "Whether what the gateway needs answers it", ["dependency"])


@lru_cache(maxsize=1024)
def _of(route: str, status: int) -> tuple[Counter, Histogram]:
    return _REQUESTS.labels(route, str(status)), _SECONDS.labels(route)


def count(route: str, status: int, seconds: float) -> None:
    """Counts one answered request."""
    counter, histogram = _of(route, status)
    counter.inc()
    histogram.observe(seconds)
