"""The users of a load test: `python -m locust -f loadtests/locustfile.py --host http://127.0.0.1:8080 PlainUser`.

PlainUser and StreamUser chat over HTTP, KafkaUser over the topics (OBSERVATORY_KAFKA); without names, all three.
The exit code is 1 when a threshold of `users/thresholds.py` was missed.
"""

from locust import events
from locust.env import Environment

from loadtests.users.http import PlainUser, StreamUser
from loadtests.users.kafka import KafkaUser
from loadtests.users.run import Watched

__all__ = ["KafkaUser", "PlainUser", "StreamUser"]


@events.init.add_listener  # type: ignore[untyped-decorator]  # locust's
def watch(environment: Environment, **_: object) -> None:
    """Thresholds for every run."""
    Watched(environment)
