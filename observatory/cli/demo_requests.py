"""The demo's requests: the same 200 every time but for their ids, mixed as a small company's traffic might be.

All go to the simulator by name, so the demo costs nothing whatever keys are set. `[[sim …]]` in a message tells the
simulator how many tokens to count and which fault to make.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice

from observatory.cli.publish_input import requests_from
from schemas.chat import ChatRequested

TENANTS = ("acme", "globex", "initech")
QUESTIONS = (
    "Where is my order?",
    "How do I change my password?",
    "Summarise this contract in three sentences.",
    "Translate our greeting into French.",
    "Which plan fits a team of five?",
    "Why was my card declined?",
)
HTTP_MODEL = "gpt-4o-mini"
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}

Fields = dict[str, object]


@dataclass(frozen=True)
class HttpCall:
    """One call of the demo through `/v1/chat/completions`."""

    model: str
    provider: str
    text: str
    stream: bool


def topic_requests() -> list[ChatRequested]:
    """190 requests for the topic."""
    bodies = [*_plain(), *_streamed(), *_tools(), *_cached(), *_retried(), *_unknown(), *_conversations()]
    return [request for body in bodies for request in requests_from(body)]


def http_calls() -> list[HttpCall]:
    """10 calls for the gateway."""
    texts = islice(cycle(QUESTIONS), 10)
    return [HttpCall(HTTP_MODEL, "sim-openai", text, stream=number % 2 == 1) for number, text in enumerate(texts)]


def _body(number: int, provider: str, model: str, text: str, **more: object) -> Fields:
    tenant = TENANTS[number % len(TENANTS)]
    return {
        "model": model,
        "provider": provider,
        "messages": [{"role": "user", "content": text}],
        "tenant_id": tenant,
        "user_id": f"{tenant}-user-{number % 7}",
        "tags": {"source": "demo"},
        **more,
    }


def _question(number: int, directive: str) -> str:
    return f"{QUESTIONS[number % len(QUESTIONS)]} [[sim {directive}]]"


def _plain() -> Iterator[Fields]:
    models = (
        ("sim-openai", "gpt-4o-mini"),
        ("sim-openai", "gpt-4o"),
        ("sim-openai", "gpt-4.1-mini"),
        ("sim-azure", "gpt-4o"),
        ("sim-anthropic", "claude-sonnet-4-5"),
        ("sim-anthropic", "claude-haiku-4-5"),
    )
    for number, (provider, model) in enumerate(islice(cycle(models), 84)):
        sizes = f"in={120 + 37 * (number % 11)} out={40 + 13 * (number % 9)} latency={20 * (number % 6)}"
        yield _body(number, provider, model, _question(number, sizes))


def _streamed() -> Iterator[Fields]:
    models = (("sim-openai", "gpt-4o-mini"), ("sim-azure", "gpt-4o-mini"), ("sim-anthropic", "claude-sonnet-4-5"))
    for number, (provider, model) in enumerate(islice(cycle(models), 45)):
        sizes = f"in={200 + 11 * (number % 13)} out={60 + 7 * (number % 10)} chunks=20 ttft=30 gap=5"
        yield _body(number, provider, model, _question(number, sizes), stream=True)


def _tools() -> Iterator[Fields]:
    for number in range(12):
        provider, model = (("sim-openai", "gpt-4o"), ("sim-anthropic", "claude-haiku-4-5"))[number % 2]
        text = "What is the weather in Vienna? [[sim tool=1 in=310 out=25]]"
        yield _body(number, provider, model, text, tools=[WEATHER])


def _cached() -> Iterator[Fields]:
    for number in range(16):
        if number % 2:
            yield _body(number, "sim-openai", "gpt-4o", _question(number, "in=2400 cached=2048 out=90"))
        else:
            sizes = "in=3000 cached=1500 cache5m=1000 out=120"
            yield _body(number, "sim-anthropic", "claude-sonnet-4-5", _question(number, sizes))


def _retried() -> Iterator[Fields]:
    """Refused at the first attempt, served at the second: two calls, of which one costs."""
    for number in range(8):
        provider, model = (("sim-openai", "gpt-4o-mini"), ("sim-anthropic", "claude-haiku-4-5"))[number % 2]
        fault = ("429", "500", "503", "529")[number // 2]
        yield _body(number, provider, model, _question(number, f"in=150 out=50 fault={fault} first=1"))


def _unknown() -> Iterator[Fields]:
    yield _body(0, "sim-openai", "gpt-99-imaginary", "Hello?")


def _conversations() -> Iterator[Fields]:
    """Six conversations of four turns: each turn is answered with those before it in the prompt."""
    for turn in range(4):
        for number in range(6):
            text = f"Turn {turn + 1}: {QUESTIONS[(number + turn) % len(QUESTIONS)]}"
            yield _body(number, "sim-openai", "gpt-4.1-mini", text, conversation_id=f"demo-{number}", use_history=True)
