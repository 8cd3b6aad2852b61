"""Users that chat over HTTP: one waits for whole answers, one reads streams and times their first token too."""

import time
from collections.abc import Iterable

from locust import FastHttpUser, HttpUser, constant_pacing, task

from loadtests.users.messages import MODEL, PLAIN, PROVIDER, STREAMED, messages
from loadtests.users.pace import MESSAGE_EVERY_S
from loadtests.users.run import FIRST_TOKEN
from loadtests.users.sse import StreamReader

PATH = "/v1/chat/completions"
HEADERS = {"x-observatory-provider": PROVIDER}
LONGEST_S = 130.0


class PlainUser(FastHttpUser):
    """Asks and waits for the whole answer."""

    wait_time = constant_pacing(MESSAGE_EVERY_S)
    network_timeout = LONGEST_S

    @task
    def ask(self) -> None:
        """One message; an answer without its cost is a failure."""
        body = {"model": MODEL, "messages": messages(PLAIN)}
        with self.client.post(PATH, json=body, headers=HEADERS, name="plain", catch_response=True) as response:
            if response.status_code == 200 and not response.headers.get("x-observatory-cost-usd"):
                response.failure("an answer without its cost")


class StreamUser(HttpUser):
    """Asks and reads the answer as it comes."""

    wait_time = constant_pacing(MESSAGE_EVERY_S)

    @task
    def ask(self) -> None:
        """One message: timed to its end, which must come, and as an event of its own to the first token."""
        body = {"model": MODEL, "messages": messages(STREAMED), "stream": True}
        begun = time.perf_counter()
        with self.client.post(
            PATH, json=body, headers=HEADERS, name="stream", stream=True, catch_response=True, timeout=LONGEST_S
        ) as response:
            if response.status_code != 200:
                return  # locust counts it as a failure by itself
            problem = self._read(response.iter_content(None), begun)
            response.request_meta["response_time"] = (time.perf_counter() - begun) * 1000
            if problem:
                response.failure(problem)

    def _read(self, pieces: Iterable[bytes], begun: float) -> str | None:
        """Why the stream is no whole answer, if it is none."""
        reader = StreamReader()
        for piece in pieces:
            if reader.feed(piece):
                self._first_token((time.perf_counter() - begun) * 1000)
        return reader.problem

    def _first_token(self, after_ms: float) -> None:
        self.environment.events.request.fire(
            request_type="SSE",
            name=FIRST_TOKEN,
            response_time=after_ms,
            response_length=0,
            exception=None,
            context={},
        )
