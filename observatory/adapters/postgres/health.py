"""What is known of the health of providers: measured from closed windows, judged, kept."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec
from asyncpg import Record

from observatory.adapters.postgres.pool import Connection, Database
from observatory.adapters.postgres.queries import load_queries
from observatory.rules.health import RECENT_S, WINDOW_S, Measured, ProviderState
from observatory.rules.model_names import without_date
from observatory.rules.sketch import merge, quantile

_SQL = load_queries("observatory.adapters.postgres", "health.sql")


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """A provider's state, and the figures of its models that it was judged by."""

    state: ProviderState
    models: dict[str, Measured]


_decode = msgspec.json.Decoder(Judged).decode


@dataclass(frozen=True, slots=True)
class KeptHealth:
    """As it is kept; `measured_until` is a second since 1970."""

    judged: Judged
    measured_until: int


async def measure(database: Database, until_s: int) -> dict[str, dict[str, Measured]]:
    """What was served in the minute before a second, by provider and model without the date of its version."""
    rows: dict[tuple[str, str], list[Record]] = {}
    for row in await database.fetch(_SQL["measured"], until_s, WINDOW_S, RECENT_S):
        rows.setdefault((row["provider"], without_date(row["model"])), []).append(row)
    found: dict[str, dict[str, Measured]] = {}
    for (provider, model), own in rows.items():
        sums = {
            name: sum(row[name] for row in own)
            for name in ("calls", "errors", "faults", "recent_calls", "recent_faults")
        }
        p95_ms = quantile(merge(*(row["latency_ms_hist"] for row in own)), 0.95)
        found.setdefault(provider, {})[model] = Measured(**sums, p95_ms=p95_ms)
    return found


async def read_health(database: Database) -> dict[str, KeptHealth]:
    """Every provider that is remembered."""
    rows = await database.fetch(_SQL["states"])
    return {row["provider"]: KeptHealth(_decode(row["state"]), row["measured_until"]) for row in rows}


async def save_health(connection: Connection, judged: Mapping[str, Judged], until_s: int) -> set[str]:
    """Keeps these unless what is kept is as late; returns the providers that were kept."""
    texts = [msgspec.json.encode(one).decode() for one in judged.values()]
    return {row["provider"] for row in await connection.fetch(_SQL["save"], list(judged), texts, until_s)}


async def forget_health(connection: Connection, providers: Iterable[str], until_s: int) -> None:
    """Forgets providers that nobody calls any more."""
    await connection.execute(_SQL["forget"], list(providers), until_s)
