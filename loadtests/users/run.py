"""A run of locust: it is measured from when all users are there, and fails when it misses a threshold.

The exit code is then 1 and a line on standard error says which one; so it is headless and with the web page.
"""

import sys
import time

from locust.env import Environment
from locust.stats import RequestStats

from loadtests.users.thresholds import Seen, missed

FIRST_TOKEN = "first token"  # noqa: S105  # a model's token
"""The name of events that are no messages of their own."""


class Watched:
    """Remembers how many users there were, and from when until when they were measured."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._users, self._since = 0, time.time()
        self._until: float | None = None
        environment.events.spawning_complete.add_listener(self._all_there)  # type: ignore[no-untyped-call]  # locust's
        environment.events.test_stop.add_listener(self._over)  # type: ignore[no-untyped-call]  # locust's
        environment.events.quitting.add_listener(self._judge)  # type: ignore[no-untyped-call]  # locust's

    def _all_there(self, user_count: int, **_: object) -> None:
        """What was measured while users were still coming says nothing about all of them."""
        self._users, self._since, self._until = user_count, time.time(), None
        self._environment.stats.reset_all()

    def _over(self, **_: object) -> None:
        """With the web page, a run may end long before locust does."""
        self._until = time.time()

    def _judge(self, environment: Environment, **_: object) -> None:
        if environment.web_ui is not None and not self._users:
            return  # nobody pressed start
        seconds = (self._until or time.time()) - self._since
        lines = missed(seen(environment.stats, self._users, seconds))
        for line in lines:
            sys.stderr.write(f"threshold missed: {line}\n")
        if lines:
            environment.process_exit_code = 1


def seen(stats: RequestStats, users: int, seconds: float) -> Seen:
    """The messages of a run, of all kinds together."""
    entries = [entry for entry in stats.entries.values() if entry.name != FIRST_TOKEN]
    times: dict[int, int] = {}
    for entry in entries:
        for response_ms, count in entry.response_times.items():
            times[response_ms] = times.get(response_ms, 0) + count
    return Seen(
        users=users,
        seconds=seconds,
        messages=sum(entry.num_requests for entry in entries),
        errors=sum(entry.num_failures for entry in entries),
        p95_ms=_percentile(times, 0.95),
    )


def _percentile(times: dict[int, int], share: float) -> float:
    """Of a histogram: the least value that `share` of its entries do not exceed; 0 for an empty one."""
    left = share * sum(times.values())
    for value in sorted(times):
        left -= times[value]
        if left <= 0:
            return float(value)
    return 0.0
