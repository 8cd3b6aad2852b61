"""Recorded records replayed, in batches cut in any way, give the recorded ledger: `recorded/`."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiokafka.structs import ConsumerRecord

from observatory.adapters.kafka import Record
from observatory.adapters.postgres.ledger import SinkOffsets
from streams.ledger.batch import move_past, new_batch, read_facts
from streams.ledger.sink import write
from tests.streams.ledger.ground import Ground

RECORDED = Path(__file__).parent / "recorded"
FIRST_OFFSETS = {0: 40, 1: 7}

FACTS = """SELECT to_jsonb(c) - '{recorded_at, topic_partition, topic_offset}'::text[]
  FROM ledger.calls AS c ORDER BY call_id"""
ROLLUPS = """SELECT jsonb_build_object('bucket', bucket, 'tenant_id', tenant_id, 'provider', provider, 'model', model,
    'calls', sum(calls), 'errors', sum(errors), 'unpriced_calls', sum(unpriced_calls),
    'not_sent_calls', sum(not_sent_calls), 'estimated_calls', sum(estimated_calls),
    'output_tokens', sum(output_tokens), 'cost_usd', trim_scale(sum(cost_usd))::text,
    'estimated_cost_usd', trim_scale(sum(estimated_cost_usd))::text, 'latency', ledger.hist_sum(latency_ms_hist))
  FROM ledger.rollup_1m GROUP BY bucket, tenant_id, provider, model HAVING sum(calls + not_sent_calls) > 0
  ORDER BY bucket, tenant_id, provider, model"""


def recorded() -> list[Record]:
    return [_record(json.loads(line)) for line in (RECORDED / "records.jsonl").read_text().splitlines()]


def _record(one: dict[str, Any]) -> Record:
    value = json.dumps(one["value"]).encode()
    return ConsumerRecord(
        "llm.calls", one["partition"], one["offset"], one["timestamp"], 1, None, value, None, 0, len(value), ()
    )


@pytest.mark.parametrize("size", [1, 2, 5, 100])
async def test_recorded_records_give_the_recorded_ledger(ground: Ground, size: int) -> None:
    offsets = SinkOffsets("ledger", "llm.calls", "test")
    expected = dict(FIRST_OFFSETS)
    for part, first in expected.items():
        await offsets.open_log(ground.pool, part, 1, first)
    records = recorded()
    for start in range(0, len(records), size):
        some = sorted(records[start : start + size], key=lambda record: record.partition)
        last = {record.partition: record for record in some}
        facts, bad = read_facts(some, 400)
        moves = [move_past(record, 1, expected[part]) for part, record in last.items()]
        await write(ground.pool, offsets, new_batch(some, moves, facts, bad))
        expected.update((move.part, move.next_offset) for move in moves)
    stored = {"facts": await rows(ground, FACTS), "rollups": await rows(ground, ROLLUPS)}
    assert stored == exact((RECORDED / "ledger.json").read_text())


def exact(text: str) -> object:
    return json.loads(text, parse_float=Decimal)


async def rows(ground: Ground, query: str) -> list[object]:
    return [exact(row[0]) for row in await ground.pool.fetch(query)]
