"""Reading a topic for a command: what Kafka refuses is a `Problem`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from observatory.adapters import following
from observatory.adapters.following import Follower, Start
from observatory.adapters.settings import KafkaSettings
from observatory.cli.outside import kafka_problems


@asynccontextmanager
async def follow(kafka: KafkaSettings, topic: str, start: Start) -> AsyncIterator[Follower]:
    """As `following.follow`. Raises `Problem`."""
    with kafka_problems(kafka):
        async with following.follow(kafka, topic, start) as follower:
            yield follower
