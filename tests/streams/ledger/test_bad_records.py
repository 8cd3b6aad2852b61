"""Bad records go to the dead letters with their reason, and the partition flows on."""

import json
from pathlib import Path

from tests.streams.ledger.calls import Body, call, encode, expected_sums
from tests.streams.ledger.ground import Ground

POISON_TRIGGER = (Path(__file__).parent / "poison.sql").read_text()

BAD: list[bytes] = [
    b"\xff\xfe",
    b"not json",
    b"[]",
    encode(call(revision="one")),
    encode(call(latency={"total_ms": float("nan")})),
    encode(call(started_at="2026-06-01T00:00:00")),
    encode(call(cost_usd=0.5)),
    b'{"a":' * 3_000 + b"1" + b"}" * 3_000,
    encode(call(usage={"output_tokens": 2**70})),
]


async def test_bad_records_become_dead_letters_and_the_good_ones_around_them_are_booked(ground: Ground) -> None:
    good: list[Body] = [call() for _ in BAD]
    mixed = [value for pair in zip(BAD, good, strict=True) for value in pair]
    async with ground.ledger():
        await ground.produce(mixed, partition=2)
        await ground.until_applied()
    assert await ground.facts() == await ground.rollups() == expected_sums(good)
    dead = await ground.dead_letters()
    assert sorted(bytes(letter.value or b"") for letter in dead) == sorted(BAD)
    headers = [dict(letter.headers) for letter in dead]
    assert {int(header["dlq_offset"]) for header in headers} == set(range(0, 2 * len(BAD), 2))
    assert all(header["dlq_reason"] and header["dlq_partition"] == b"2" for header in headers)


async def test_a_record_of_a_newer_version_is_a_dead_letter(ground: Ground) -> None:
    async with ground.ledger():
        await ground.produce([call()], ce_type=b"llm.call.recorded.v2")
        await ground.until_applied()
    [letter] = await ground.dead_letters()
    assert b"llm.call.recorded.v2" in dict(letter.headers)["dlq_reason"]
    assert await ground.facts() == {}


async def test_what_only_the_database_refuses_is_found_in_its_batch(ground: Ground) -> None:
    await ground.pool.execute(POISON_TRIGGER)
    good = [call() for _ in range(60)]
    poison = [call(tenant_id="poison") for _ in range(3)]
    try:
        async with ground.ledger():
            await ground.produce([*good[:20], poison[0], *good[20:40], *poison[1:], *good[40:]])
            await ground.until_applied()
    finally:
        await ground.pool.execute("DROP FUNCTION ledger.refuse_poison CASCADE")
    assert await ground.facts() == await ground.rollups() == expected_sums(good)
    dead = await ground.dead_letters()
    assert {json.loads(letter.value or b"")["call_id"] for letter in dead} == {body["call_id"] for body in poison}
