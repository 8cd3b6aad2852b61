"""What the bench sends, and how long: chat completions to the simulated model, whose answers come at once."""

import json
from dataclasses import dataclass

from loadtests.bench.http import Answer
from loadtests.bench.tally import Check

PATH = "/v1/chat/completions"
_TICKET = "A customer writes that the invoice of last month shows one seat too many. Answer in two sentences."


@dataclass(frozen=True)
class Load:
    """The same request over and over from so many connections, `runs` times for `seconds`."""

    name: str
    target: str
    body: bytes
    check: Check
    connections: int
    runs: int
    seconds: float


def is_plain_answer(answer: Answer) -> bool:
    """A completion with its cost."""
    return answer.status == 200 and answer.header(b"x-observatory-cost-usd") is not None


def is_whole_stream(answer: Answer) -> bool:
    """A stream that came to its end without an error."""
    return answer.status == 200 and b"data: [DONE]" in answer.body and b'"error"' not in answer.body


def _body(text: str, *, stream: bool) -> bytes:
    messages = [{"role": "user", "content": text}]
    return json.dumps({"model": "gpt-4o-mini", "stream": stream, "messages": messages}).encode()


PLAIN_BODY = _body(f"{_TICKET} [[sim in=374 out=44]]", stream=False)
STREAM_BODY = _body(f"{_TICKET} [[sim in=374 out=20 chunks=20 ttft=5 gap=2]]", stream=True)
"""20 chunks, the first after 5 ms and 2 ms between them: 43 ms at the provider."""


def _plain(connections: int, runs: int, seconds: float, target: str = "") -> Load:
    name = f"plain answers, {connections} connection{'s' if connections > 1 else ''}"
    return Load(name, target, PLAIN_BODY, is_plain_answer, connections, runs, seconds)


WARM_UP = (
    Load("warm-up", "", PLAIN_BODY, is_plain_answer, 16, 1, 3.0),
    Load("warm-up", "", STREAM_BODY, is_whole_stream, 16, 1, 2.0),
)
LOADS = (
    _plain(1, 3, 4.0, "p50 < 12 ms"),
    _plain(16, 3, 4.0),
    _plain(64, 3, 8.0, "≥ 700/s"),
    _plain(128, 3, 4.0),
    Load("streams of 20 chunks, 64 connections", "≥ 300/s", STREAM_BODY, is_whole_stream, 64, 3, 5.0),
)
