"""States in memory: which are new, which are written, which are forgotten."""

import msgspec

from schemas.topics import LLM_CALLS
from streams.engine.fold import At, Fold, Out
from streams.engine.states import Change, Effects, Name, States
from tests.streams.engine.ground import StreamGround
from tests.streams.engine.test_bad_events import RECENT
from tests.streams.ledger.calls import call


class Count(msgspec.Struct):
    """How often a key came."""

    n: int = 0


def count(state: Count | None, event: object, at: At, out: Out) -> Count:
    return Count((state or Count()).n + 1)


COUNTS = Fold(name="counts", inputs=(LLM_CALLS,), state=Count, key=str, apply=count, keep=RECENT.keep)


def apply(states: States[Count], *keys: str) -> None:
    changes = [Change((0, key), key, At("llm.calls", 0, number, 1, "")) for number, key in enumerate(keys)]
    states.apply(changes, Effects())


def test_only_what_changed_is_written_and_only_what_was_never_stored_is_new() -> None:
    states = States(COUNTS)
    states.put((0, "old"), 7, '{"n":7}')
    apply(states, "old", "new", "new")
    written = {one.name[1]: (one.new, one.entry.version, one.text) for one in states.changed()}
    assert written == {"old": (False, 8, '{"n":8}'), "new": (True, 2, '{"n":2}')}
    states.kept(states.changed(), 100, 10_000)
    apply(states, "new")
    assert [(one.name[1], one.new) for one in states.changed()] == [("new", False)]


def test_the_longest_unused_are_forgotten_by_count_and_by_size() -> None:
    def left(most: int, most_bytes: int) -> list[Name]:
        states = States(COUNTS)
        apply(states, *"abcde", "a")
        states.kept(states.changed(), most, most_bytes)
        return [name for name, _ in states.items()]

    assert left(2, 10_000) == [(0, "e"), (0, "a")]
    assert left(100, 3 * len('{"n":1}')) == [(0, "d"), (0, "e"), (0, "a")]
    assert left(0, 10_000) == []


async def test_a_state_that_somebody_put_there_by_hand_is_found_and_gone_on_from(ground: StreamGround) -> None:
    async with ground.workers([RECENT], ()):
        await ground.produce([call(tenant_id="acme")], partition=2)
        await ground.until_streamed([RECENT])
        await ground.pool.execute(
            """INSERT INTO streams.recent_calls (part, key, version, touched_at, state)
               VALUES (2, 'restored', 5, now(), '{"count": 5, "text": ""}')"""
        )
        await ground.produce([call(tenant_id="restored") for _ in range(3)], partition=2)
        await ground.until_streamed([RECENT])
    rows = await ground.pool.fetch("SELECT key, version, (state->>'count')::int AS n FROM streams.recent_calls")
    assert {tuple(row) for row in rows} == {("acme", 1, 1), ("restored", 8, 8)}
