"""Kafka clients with the settings that our guarantees need, and events to and from records.

Producers are idempotent and wait for all in-sync replicas. Consumers never commit by themselves.
"""

import asyncio
import ssl
import time
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any, TypedDict, TypeVar
from uuid import UUID

import msgspec
import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code
from aiokafka.helpers import create_ssl_context
from aiokafka.structs import ConsumerRecord, RecordMetadata
from pydantic import ValidationError

from observatory.adapters.partitions import partition_by_key
from observatory.adapters.settings import KafkaSettings
from schemas.base import Event, rfc3339
from schemas.envelope import Envelope, Headers, envelope_of, headers_of
from schemas.topics import MAX_RECORD_BYTES, TOPICS, Topic

E = TypeVar("E", bound=Event)
LED_WITHIN_S = 30.0
SHOWN_PATH = 200
Record = ConsumerRecord[bytes, bytes]

CLIENT_LIMIT_BYTES = MAX_RECORD_BYTES + 400_000
"""A body of the longest length, its key and its headers; the topic's own limit lies above."""

UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for the bytes of strangers: the last for a thousand levels of nesting."""


class Unreadable(Exception):
    """A record that cannot be read; the message is the reason that goes to the dead letters with it."""


METADATA_MS = 5_000
"""How often clients ask which partitions there are. A broker that has just started may know of none yet; a group
that is assigned then reads nothing, and so meets no error that would make it ask, until its leader asks by itself."""


CANCELLED_STOP_S = 1.0
"""How long a client that stops may still take once that was cancelled."""


class _ClientOptions(TypedDict):
    bootstrap_servers: str
    security_protocol: str
    sasl_mechanism: str
    sasl_plain_username: str | None
    sasl_plain_password: str | None
    ssl_context: ssl.SSLContext | None
    retry_backoff_ms: int
    metadata_max_age_ms: int


def _client_options(settings: KafkaSettings) -> _ClientOptions:
    password = settings.sasl_password.get_secret_value() if settings.sasl_password else None
    return _ClientOptions(
        bootstrap_servers=settings.bootstrap,
        security_protocol=settings.security_protocol,
        sasl_mechanism=settings.sasl_mechanism,
        sasl_plain_username=settings.sasl_username,
        sasl_plain_password=password,
        ssl_context=_ssl_context(settings),
        retry_backoff_ms=100,
        metadata_max_age_ms=METADATA_MS,
    )


def _ssl_context(settings: KafkaSettings) -> ssl.SSLContext | None:
    if "SSL" not in settings.security_protocol:
        return None
    files = (settings.ssl_cafile, settings.ssl_certfile, settings.ssl_keyfile)
    cafile, certfile, keyfile = (str(path) if path else None for path in files)
    return create_ssl_context(cafile=cafile, certfile=certfile, keyfile=keyfile)


def topic_name(settings: KafkaSettings, topic: Topic) -> str:
    """What the topic is called on this broker."""
    return settings.topic_prefix + topic.name


def new_producer(settings: KafkaSettings, client_id: str, *, linger_ms: int = 0) -> AIOKafkaProducer:
    """An idempotent producer, not yet started. A send that fails after its time-out raises `KafkaError`."""
    return _Producer(  # type: ignore[no-untyped-call]
        **_client_options(settings),
        client_id=client_id,
        enable_idempotence=True,
        acks="all",
        linger_ms=linger_ms,
        compression_type="lz4",
        partitioner=partition_by_key,
        max_batch_size=131_072,
        max_request_size=CLIENT_LIMIT_BYTES,
        request_timeout_ms=30_000,
    )


def new_consumer(
    settings: KafkaSettings,
    client_id: str,
    *,
    group_id: str | None = None,
    instance: str | None = None,
    fetch_min_bytes: int = 1,
    fetch_max_wait_ms: int = 250,
    assignor: type[AbstractPartitionAssignor] = RoundRobinPartitionAssignor,
    max_poll_records: int | None = None,
) -> AIOKafkaConsumer:
    """A consumer, not yet started or subscribed, that begins at the oldest record and commits only when told.

    `instance` is a stable name for static membership: a quick restart then causes no rebalance. A reader in no hurry
    asks for `fetch_min_bytes` at a time, or what there is after `fetch_max_wait_ms`: fewer requests for the broker.
    """
    return _Consumer(  # type: ignore[no-untyped-call]
        **_client_options(settings),
        client_id=client_id,
        group_id=group_id,
        group_instance_id=instance,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_min_bytes=fetch_min_bytes,
        fetch_max_wait_ms=fetch_max_wait_ms,
        partition_assignment_strategy=(assignor,),
        max_poll_records=max_poll_records,
        max_partition_fetch_bytes=CLIENT_LIMIT_BYTES,
        session_timeout_ms=10_000,
        heartbeat_interval_ms=2_000,
        max_poll_interval_ms=120_000,
    )


class _Consumer(AIOKafkaConsumer):
    async def stop(self) -> None:
        await _to_the_end(super().stop())  # type: ignore[no-untyped-call]


class _Producer(AIOKafkaProducer):
    async def stop(self) -> None:
        await _to_the_end(super().stop())  # type: ignore[no-untyped-call]


async def _to_the_end(stopping: Coroutine[Any, Any, None]) -> None:
    """Waits for a client that stops. A cancellation meanwhile is passed on to it, and raised whatever it does with it.

    It awaits tasks of its own that it has cancelled, and may take our cancellation for theirs; but a broker that is
    away would have it wait for longer than whoever cancels has time.
    """
    task = asyncio.create_task(stopping)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        ours = asyncio.current_task()
        if task.cancelled() and ours is not None and not ours.cancelling():
            return  # by itself: a client that stops soon after it was assigned partitions ends so
        task.cancel()
        await asyncio.wait((task,), timeout=CANCELLED_STOP_S)
        raise


class Publisher:
    """Sends events and dead letters through one producer, under the name of one source."""

    def __init__(self, settings: KafkaSettings, client_id: str, *, linger_ms: int = 0) -> None:
        self._settings = settings
        self._source = f"/llm-observatory/{client_id}"
        self._producer = new_producer(settings, client_id, linger_ms=linger_ms)

    async def start(self) -> None:
        """Connects. Raises `KafkaError` when the broker cannot be reached."""
        await self._producer.start()

    async def stop(self) -> None:
        """Sends what is buffered and disconnects."""
        await self._producer.stop()

    async def publish(
        self, topic: Topic, key: str, event: Event, ce_id: UUID, traceparent: str | None = None
    ) -> asyncio.Future[RecordMetadata]:
        """Buffers an event; the future that is returned ends when the broker has acknowledged it."""
        return await self.publish_bytes(topic, key, type(event), event.to_json(), ce_id, traceparent)

    async def publish_bytes(
        self,
        topic: Topic,
        key: str,
        event: type[Event],
        body: bytes,
        ce_id: UUID,
        traceparent: str | None = None,
    ) -> asyncio.Future[RecordMetadata]:
        """As `publish`, for a body that is JSON already."""
        headers = headers_of(event, ce_id, self._source, datetime.now(UTC), traceparent)
        return await self._send(topic_name(self._settings, topic), key.encode(), body, headers)

    async def dead_letter(self, topic: Topic, record: Record, reason: str) -> None:
        """Puts a record, as it came, into the topic's dead letters with why, where from and when; acknowledged."""
        headers: Headers = (
            *((name, value) for name, value in record.headers if not name.startswith("dlq_")),
            ("dlq_reason", reason.encode(errors="replace")[:4096]),
            ("dlq_topic", record.topic.encode()),
            ("dlq_partition", str(record.partition).encode()),
            ("dlq_offset", str(record.offset).encode()),
            ("dlq_time", rfc3339(datetime.now(UTC)).encode()),
        )
        # The client sends no record without key and value, though others can and the broker takes it.
        key = b"" if record.key is None and record.value is None else record.key
        sent = await self._send(self._settings.topic_prefix + topic.dlq, key, record.value, headers)
        await sent

    async def _send(
        self, name: str, key: bytes | None, value: bytes | None, headers: Headers
    ) -> asyncio.Future[RecordMetadata]:
        future: asyncio.Future[RecordMetadata] = await self._producer.send(name, value, key=key, headers=list(headers))
        return future


def read_event(record: Record, *expected: type[E]) -> tuple[Envelope, E]:
    """The attributes and the body of a record. Without a `ce_type` it is the first expected one.

    Raises `Unreadable` for a wrong topic, an unknown type or version, and a body that does not fit its schema.
    """
    try:
        envelope = envelope_of(tuple(record.headers))
    except ValueError as error:
        raise Unreadable(str(error)) from error
    by_type = {event.ce_type: event for event in expected}
    event = by_type.get(envelope.ce_type or expected[0].ce_type)
    if event is None:
        raise Unreadable(f"unknown ce_type {envelope.ce_type!r}; this topic carries {', '.join(by_type)}")
    if record.value is None:
        raise Unreadable("the record has no value")
    try:
        # pydantic would take NaN, Infinity and numbers beyond any float, which cannot be written as JSON again.
        orjson.loads(record.value)
        return envelope, event.model_validate_json(record.value)
    except orjson.JSONDecodeError as error:
        raise Unreadable(f"not JSON: {error}") from error
    except ValidationError as error:
        raise Unreadable(explain(error)) from error


def explain(error: ValidationError) -> str:
    """A validation error as one line that names the fields; a name may be as long as the body."""
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, p['loc']))[:SHOWN_PATH] or 'body'}: {p['msg']}" for p in problems[:8])


def new_admin(settings: KafkaSettings, client_id: str) -> AIOKafkaAdminClient:
    """Asks and changes the broker itself; not started yet."""
    return AIOKafkaAdminClient(**_client_options(settings), client_id=client_id)


async def create_topics(settings: KafkaSettings) -> list[str]:
    """Creates the topics of the catalogue and their dead letters that do not exist; returns their names."""
    admin = new_admin(settings, "observatory-migrate")
    await admin.start()
    try:
        return await _create_missing(admin, settings)
    finally:
        await admin.close()


async def _create_missing(admin: AIOKafkaAdminClient, settings: KafkaSettings) -> list[str]:
    existing = set(await admin.list_topics())
    missing = [topic for topic in _new_topics(settings) if topic.name not in existing]
    if not missing:
        return []
    response = await admin.create_topics(missing)
    for name, code, *message in response.topic_errors:  # type: ignore[attr-defined]  # made from the protocol at run time
        if code and code != TopicAlreadyExistsError.errno:
            raise for_code(code)(f"topic {name}: {message[0] if message else 'not created'}")
    names = [topic.name for topic in missing]
    await _until_led(admin, names)
    return names


async def _until_led(admin: AIOKafkaAdminClient, names: list[str]) -> None:
    """Waits until the broker tells of every partition who leads it.

    A consumer that subscribes before that is given nothing, and asks again a minute later only.
    Raises `KafkaError` after `LED_WITHIN_S`.
    """
    end = time.monotonic() + LED_WITHIN_S
    while not _all_led(await admin.describe_topics(names)):
        if time.monotonic() > end:
            raise KafkaError(f"new topics have had no leaders for {LED_WITHIN_S:.0f} s: {', '.join(names)}")
        await asyncio.sleep(0.05)


def _all_led(topics: list[dict[str, Any]]) -> bool:
    return all(
        not topic["error_code"] and topic["partitions"] and all(part["leader"] >= 0 for part in topic["partitions"])
        for topic in topics
    )


def _new_topics(settings: KafkaSettings) -> list[NewTopic]:
    replication = settings.replication_factor
    topics = []
    for topic in TOPICS:
        name = topic_name(settings, topic)
        topics.append(NewTopic(name, topic.partitions, replication, topic_configs=topic.config))
        dlq_config = {"retention.ms": "-1", "max.message.bytes": str(MAX_RECORD_BYTES + 600_000)}
        topics.append(NewTopic(settings.topic_prefix + topic.dlq, 1, replication, topic_configs=dlq_config))
    return topics
