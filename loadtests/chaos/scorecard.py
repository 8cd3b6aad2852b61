"""A run as a page to keep: what was killed when, and what the books said in the end."""

import platform
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

Verdict = Mapping[str, object]


def scorecard(verdict: Verdict, command: str) -> str:
    """The page, in Markdown."""
    began = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    kills = _mapping(verdict["kills"])
    client = {name: value for name, value in _mapping(verdict["client"]).items() if not isinstance(value, list)}
    wrong = {name: len(value) for name, value in _mapping(verdict["client"]).items() if isinstance(value, list)}
    parts = [
        "# Scorecard: killed under load, and nothing lost",
        f"`{command}`, {began}, {platform.platform()}: {'**ok**' if verdict['ok'] else '**NOT OK**'}.",
        f"{sum(int(str(count)) for count in kills.values())} processes were killed with SIGKILL in "
        f"{verdict['seconds']} s: {', '.join(f'{name} {count}' for name, count in sorted(kills.items()))}.",
        "## The books in the end",
        *_table(("leg", "calls", "tokens", "USD"), _legs(verdict["legs"])),
        *_table(("what the clients saw", "count"), [*client.items(), *wrong.items()]),
        "## Budgets that refused requests on the way",
        *_table(
            ("budget", "limit USD", "spent USD", "facts USD", "held USD", "kept"),
            [_budget(_mapping(budget)) for budget in _sequence(verdict["budgets"])],
        ),
        "## What was killed when",
        *_table(
            ("seconds", "process", "what"),
            [(e["at_s"], e["target"], e["what"]) for e in map(_mapping, _sequence(verdict["timeline"]))],
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _legs(legs: object) -> list[tuple[object, ...]]:
    return [(name, leg["calls"], leg["tokens"], leg["cost_usd"]) for name, leg in _named(legs)]


def _named(value: object) -> list[tuple[str, Mapping[str, object]]]:
    return [(str(name), _mapping(entry)) for name, entry in _mapping(value).items()]


def _budget(budget: Mapping[str, object]) -> tuple[object, ...]:
    names = ("budget_id", "limit_usd", "spent_usd", "facts_usd", "reserved_usd")
    return (*(budget[name] for name in names), "yes" if budget["ok"] else "NO")


def _table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    lines = [titles, ["---"] * len(titles), *rows]
    return ["\n".join("| " + " | ".join(str(cell).replace("_", " ") for cell in line) + " |" for line in lines)]


def _mapping(value: object) -> Mapping[str, object]:
    assert isinstance(value, Mapping)
    return value


def _sequence(value: object) -> Sequence[object]:
    assert isinstance(value, Sequence)
    return value
