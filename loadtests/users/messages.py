"""What the users say, and to whom: the simulated model, which takes one second for an answer."""

import random

MODEL = "gpt-4o-mini"
PROVIDER = "sim-openai"
"""Load never goes to a provider that is paid, whatever keys are set."""

PLAIN = "[[sim latency=1000]]"
STREAMED = "[[sim out=20 chunks=20 ttft=300 gap=35]]"
"""About a second as well: 300 ms to the first token and 19 gaps."""

_SUBJECTS = ("invoice", "seat count", "password", "export", "webhook", "language", "time zone", "API key")


def messages(directive: str) -> list[dict[str, str]]:
    """One message of a user, with what the simulator shall do."""
    subject = random.choice(_SUBJECTS)
    return [{"role": "user", "content": f"A customer asks about the {subject} of account {_number()}. {directive}"}]


def _number() -> int:
    return random.randrange(10_000, 100_000)
