"""A user that chats over the topics: publishes to `chat.requests` and waits on `chat.responses`."""

import json
import os
import time
from uuid import uuid4

from gevent.lock import BoundedSemaphore  # type: ignore[import-untyped]  # it ships no types
from locust import User, constant_pacing, task

from loadtests.users.bridge import Bridge, NotAnswered
from loadtests.users.messages import MODEL, PLAIN, PROVIDER, messages
from loadtests.users.pace import MESSAGE_EVERY_S
from schemas.chat import ChatRequested, Message
from schemas.topics import CHAT_REQUESTS

NATIVE_KAFKA = "127.0.0.1:9092"
LONGEST_S = 130.0


class Shared:
    """The process's one bridge, made for the first user that needs it."""

    def __init__(self) -> None:
        self._making = BoundedSemaphore(1)
        self._bridge: Bridge | None = None

    def bridge(self) -> Bridge:
        """Raises `NotAnswered` when the broker is away."""
        with self._making:
            if self._bridge is None:
                kafka = os.environ.get("OBSERVATORY_KAFKA", NATIVE_KAFKA)
                self._bridge = Bridge(kafka, os.environ.get("OBSERVATORY_TOPIC_PREFIX", ""))
            return self._bridge


SHARED = Shared()


class KafkaUser(User):
    """Publishes and waits for the outcome."""

    wait_time = constant_pacing(MESSAGE_EVERY_S)

    @task
    def ask(self) -> None:
        """One message, timed from its publication to its outcome; `chat.failed` is a failure."""
        said = [Message.model_validate(message) for message in messages(PLAIN)]
        request = ChatRequested(request_id=uuid4(), model=MODEL, provider=PROVIDER, messages=said)
        begun, problem, length = time.perf_counter(), None, 0
        try:
            bridge = SHARED.bridge()
            begun = time.perf_counter()
            outcome = bridge.ask(request, LONGEST_S)
            length = len(outcome.body)
            if not outcome.completed:
                problem = NotAnswered(json.loads(outcome.body)["error"]["code"])
        except NotAnswered as error:
            problem = error
        self.environment.events.request.fire(
            request_type="KAFKA",
            name=CHAT_REQUESTS.name,
            response_time=(time.perf_counter() - begun) * 1000,
            response_length=length,
            exception=problem,
            context={},
        )
