"""Bodies of `/api/v1/dead-letters`: records that could not be read, for operators."""

from typing import Annotated

from pydantic import Field

from schemas.base import Body, Time
from schemas.http import HttpBody


class DeadLetterReason(Body):
    """How many of a topic's dead letters have this reason."""

    reason: str
    records: int


class DeadLetterTopic(Body):
    """The dead letters that came from a topic; `waiting` were not sent again yet."""

    topic: str
    records: int
    waiting: int
    reasons: list[DeadLetterReason]


class DeadLetterTopics(Body):
    """Every topic, also those without dead letters."""

    topics: list[DeadLetterTopic]


class DeadLetterView(Body):
    """One record that could not be read: its place among the dead letters, why, and where it came from.

    `text` is the beginning of its value as UTF-8, what is none replaced; `bytes` is how long the value is.
    """

    offset: int
    appended_at: Time
    reason: str
    waiting: bool
    source_topic: str | None
    source_partition: int | None
    source_offset: int | None
    failed_at: str | None
    key: str | None
    text: str
    bytes: int


class DeadLetterPage(Body):
    """The latest dead letters of a topic, latest first."""

    topic: str
    letters: list[DeadLetterView]


class RetryDeadLetters(HttpBody):
    """Which of those that wait are sent again: up to this offset among the dead letters, included; without it all."""

    up_to: Annotated[int | None, Field(ge=0)] = None


class DeadLettersRetried(Body):
    """How many were sent again to the topic that they came from."""

    topic: str
    sent: int
