"""What is killed when, and what is taken away for how long: decided by a seed before anything happens."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

DATABASE, BROKER, SIMULATOR = "postgres", "kafka", "simulator"
OUTAGES = {"db": DATABASE, "kafka": BROKER, "simulator": SIMULATOR}
_OUTAGE = re.compile(r"([a-z]+)=([0-9]{1,4}(?:\.[0-9]+)?)s?")
WEIGHTS = {"chat": 8, "gateway": 3, "ledger": 3, "streams": 3, BROKER: 3, DATABASE: 3, SIMULATOR: 2}
KILLS_S = 3.0
"""Seconds of load for each kill, unless a duration is asked for."""
AFTER_OUTAGE_S = 5.0


@dataclass(frozen=True, slots=True)
class Strike:
    """One kill `at_s` seconds after the load began; with `for_s`, again and again for so long."""

    at_s: float
    target: str
    for_s: float = 0.0


def kind_of(process: str) -> str:
    """`chat-2` is a `chat`."""
    return process.rpartition("-")[0] or process


def plan(
    processes: Sequence[str], *, kills: int, seed: int, duration_s: float, outages: Sequence[Strike] = ()
) -> list[Strike]:
    """Kills at random moments of random processes, each kind by its weight, and the outages; in order of time."""
    chance = random.Random(seed)
    by_kind: dict[str, list[str]] = {}
    for process in sorted(processes):
        by_kind.setdefault(kind_of(process), []).append(process)
    kinds = [kind for kind in by_kind if kind in WEIGHTS]
    drawn = chance.choices(kinds, [WEIGHTS[kind] for kind in kinds], k=kills) if kills else []
    strikes = [Strike(chance.uniform(0.05, 0.95) * duration_s, chance.choice(by_kind[kind])) for kind in drawn]
    return sorted([*strikes, *outages], key=lambda strike: strike.at_s)


def outage(text: str, at_s: float) -> Strike:
    """`db=60s` as a strike. Raises `ValueError` with what is wrong."""
    match = _OUTAGE.fullmatch(text)
    if match is None or match[1] not in OUTAGES or float(match[2]) == 0:
        raise ValueError(f"an outage is {', '.join(f'{known}=60s' for known in OUTAGES)}; not {text!r}")
    return Strike(at_s, OUTAGES[match[1]], float(match[2]))
