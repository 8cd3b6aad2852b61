"""The requests of a run: plain, streams, turns of conversations, and faults of every kind; decided by the seed."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID

from schemas.chat import ChatRequested, Message

Way = Literal["kafka", "http"]

HTTP_SHARE = 0.3
STREAM_SHARE = 0.3
HISTORY_SHARE = 0.15
CONVERSATIONS = 12
FAULT_SHARE = 0.12
LOST_SHARE = 0.08
FAULTS = ("fault=429 retryafter=0 first=1", "fault=500 first=1", "fault=503 first=1", "fault=400")
"""What the provider surely did not bill."""
LOST = ("fault=cut-mid first=1", "fault=cut-after first=1", "fault=malformed first=1", "nousage=1", "fault=timeout")
"""What only the provider's export can settle."""
BUDGETED_SHARE = 0.25
BUDGETED_USERS = 4
"""Users whose requests say honestly how long they are: in the prompt's words and in a cap on the answer."""
MODELS = (
    ("sim-openai", "gpt-4o-mini"), ("sim-openai", "gpt-4o"), ("sim-azure", "gpt-4o-mini"),
    ("sim-anthropic", "claude-sonnet-4-5"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Planned:
    """One request and the way it goes."""

    way: Way
    request: ChatRequested


def new_run() -> int:
    """A number that no other run has."""
    return random.SystemRandom().getrandbits(64)


def budgeted_users(run: int) -> list[str]:
    """The users of this run whose spending is limited."""
    return [f"budgeted-{run:x}-{number}" for number in range(BUDGETED_USERS)]


def traffic(seed: int, run: int) -> Iterator[Planned]:
    """Endless. Ids and the budgeted users are the run's, all else is the seed's."""
    chance = random.Random(seed)
    users = budgeted_users(run)
    for number in range(2**63):
        way: Way = "http" if chance.random() < HTTP_SHARE else "kafka"
        request_id = UUID(int=(run << 64) | number)
        if chance.random() < BUDGETED_SHARE:
            yield Planned(way, _budgeted(chance, request_id, number, chance.choice(users)))
        else:
            yield Planned(way, _request(chance, request_id, number, run, way))


def _budgeted(chance: random.Random, request_id: UUID, number: int, user: str) -> ChatRequested:
    provider, model = chance.choice(MODELS)
    inputs, outputs = chance.randrange(50, 600), chance.randrange(5, 60)
    directive = chance.choice((*FAULTS, *LOST[:-1])) if chance.random() < FAULT_SHARE + LOST_SHARE else ""
    prompt = "word " * inputs
    told = f"[[sim in={inputs} out={outputs} latency={chance.randrange(300)} {directive}]]"
    return ChatRequested(
        request_id=request_id,
        model=model,
        provider=provider,
        messages=[Message(role="user", content=f"chaos {number} {prompt}{told}")],
        user_id=user,
        stream=chance.random() < STREAM_SHARE,
        max_output_tokens=outputs,
        tags={"run": "chaos"},
    )


def _request(chance: random.Random, request_id: UUID, number: int, run: int, way: Way) -> ChatRequested:
    provider, model = chance.choice(MODELS)
    directive = _directive(chance)
    history = way == "kafka" and chance.random() < HISTORY_SHARE
    stream = chance.random() < STREAM_SHARE
    tokens = f"in={chance.randrange(50, 900)} out={chance.randrange(5, 60)}"
    pace = f"ttft={chance.randrange(100)} gap={chance.randrange(8)}" if stream else f"latency={chance.randrange(500)}"
    waits = directive == "fault=timeout" and way == "kafka"
    if directive == "fault=timeout" and not waits:
        directive = ""  # over HTTP no deadline can be set, and nobody waits two minutes here
    return ChatRequested(
        request_id=request_id,
        model=model,
        provider=provider,
        messages=[Message(role="user", content=f"chaos {number} [[sim {tokens} {pace} {directive}]]")],
        user_id=f"user-{chance.randrange(20)}",
        conversation_id=f"chaos-{run:x}-{chance.randrange(CONVERSATIONS)}" if history else None,
        use_history=history,
        stream=stream,
        deadline=datetime.now(UTC) + timedelta(seconds=3) if waits else None,
        tags={"run": "chaos"},
    )


def _directive(chance: random.Random) -> str:
    draw = chance.random()
    if draw < FAULT_SHARE:
        return chance.choice(FAULTS)
    return chance.choice(LOST) if draw < FAULT_SHARE + LOST_SHARE else ""
