"""The native stack does what is built on it: it serves, survives kills unattended, stops cleanly, guards its data."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from infra.native import stack as native
from infra.native.stack import Program, StackError, StackSpec
from infra.native.waiting import wait_until
from tests.stack import LiveStack, live_stack


@pytest.fixture(scope="module")
def own() -> Iterator[LiveStack]:
    """A stack that only these tests use, since they kill and stop it."""
    with live_stack("infra-test", durable=True) as live:
        yield live


async def connect(live: LiveStack) -> asyncpg.Connection[asyncpg.Record]:
    return await asyncpg.connect(live.database_url, timeout=10)


async def create_topic(live: LiveStack) -> str:
    topic = f"test.{uuid.uuid4().hex}"
    admin = AIOKafkaAdminClient(bootstrap_servers=live.kafka)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, num_partitions=2, replication_factor=1)])
    finally:
        await admin.close()
    return topic


async def produce(live: LiveStack, topic: str, *values: bytes) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=live.kafka, acks="all", enable_idempotence=True, max_request_size=8_400_000
    )
    await producer.start()
    try:
        for value in values:
            await producer.send_and_wait(topic, value)
    finally:
        await producer.stop()


async def consume(live: LiveStack, topic: str, count: int) -> set[bytes]:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=live.kafka, auto_offset_reset="earliest", group_id=topic)
    await consumer.start()
    try:
        return {(await consumer.getone()).value or b"" for _ in range(count)}
    finally:
        await consumer.stop()


def wait_for_new_process(live: LiveStack, name: str, old_pid: int) -> None:
    def replaced() -> bool:
        (now,) = (process for process in native.status(live.spec) if process.name == name)
        return now.state == "running" and now.pid != old_pid

    wait_until(replaced, what=f"{name} does not come back", timeout_s=60, log=native.log_file(live.spec, name))
    native.wait_for_services(live.spec)


async def test_postgres_stores_rows_in_a_hypertable(own: LiveStack) -> None:
    connection = await connect(own)
    try:
        await connection.execute("CREATE TABLE measured (at timestamptz NOT NULL, value numeric NOT NULL)")
        await connection.execute("SELECT create_hypertable('measured', 'at')")
        await connection.execute("INSERT INTO measured VALUES ('2026-01-01Z', 1), ('2026-03-01Z', 2)")
        chunks = await connection.fetchval("SELECT count(*) FROM show_chunks('measured')")
    finally:
        await connection.close()
    assert chunks == 2


async def test_postgres_commits_are_durable(own: LiveStack) -> None:
    connection = await connect(own)
    try:
        shown = [await connection.fetchval(f"SHOW {name}") for name in ("fsync", "synchronous_commit", "timezone")]
    finally:
        await connection.close()
    assert shown == ["on", "on", "UTC"]


async def test_kafka_carries_a_record_of_eight_megabytes(own: LiveStack) -> None:
    topic = await create_topic(own)
    large = b"x" * 8_000_000
    await produce(own, topic, large, b"small")
    assert await consume(own, topic, 2) == {large, b"small"}


async def test_kafka_creates_no_topic_by_itself(own: LiveStack) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=own.kafka)
    await admin.start()
    try:
        await admin.describe_topics(["test.never-created"])
        assert "test.never-created" not in await admin.list_topics()
    finally:
        await admin.close()


async def test_kafka_comes_back_with_its_records_after_a_kill(own: LiveStack) -> None:
    topic = await create_topic(own)
    await produce(own, topic, b"before")
    wait_for_new_process(own, "kafka", native.kill_program(own.spec, "kafka"))
    await produce(own, topic, b"after")
    assert await consume(own, topic, 2) == {b"before", b"after"}


async def test_postgres_comes_back_with_its_rows_after_its_postmaster_is_killed(own: LiveStack) -> None:
    connection = await connect(own)
    await connection.execute("CREATE TABLE kept AS SELECT 7 AS value")
    wait_for_new_process(own, "postgres", native.kill_program(own.spec, "postgres"))
    connection.terminate()
    connection = await connect(own)
    try:
        assert await connection.fetchval("SELECT value FROM kept") == 7
    finally:
        await connection.close()


def test_status_tells_state_process_uptime_and_memory(own: LiveStack) -> None:
    kafka, postgres = native.status(own.spec)
    assert (kafka.name, postgres.name) == ("kafka", "postgres")
    for process in (kafka, postgres):
        assert process.state == "running"
        assert process.pid is not None
        assert process.uptime_s is not None
        assert process.memory_bytes is not None
        assert process.memory_bytes > 10_000_000


def test_data_is_not_removed_while_the_stack_runs(own: LiveStack) -> None:
    with pytest.raises(StackError, match="is running"):
        native.clean(own.spec)
    assert (own.data_dir / "postgres" / "PG_VERSION").exists()


def test_a_folder_that_holds_something_else_is_neither_used_nor_removed(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    spec = StackSpec(tmp_path, None, None, None)
    with pytest.raises(StackError, match="holds something else"):
        native.prepare(spec)
    with pytest.raises(StackError, match="was not made by this stack"):
        native.clean(spec)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_a_second_stack_is_refused_ports_that_are_taken(own: LiveStack, tmp_path: Path) -> None:
    intruder = StackSpec(tmp_path, None, None, postgres_port=own.spec.postgres_port)
    with pytest.raises(StackError, match=r"taken by pid \d+ \(.*postgres"):
        native.start(intruder)


async def test_data_survives_a_clean_stop_and_start(own: LiveStack) -> None:
    topic = await create_topic(own)
    await produce(own, topic, b"kept")
    native.stop(own.spec)
    assert {process.state for process in native.status(own.spec)} == {"stopped"}
    assert "database system is shut down" in native.log_file(own.spec, "postgres").read_text()
    native.prepare(own.spec)
    native.start(own.spec)
    assert await consume(own, topic, 1) == {b"kept"}


def test_the_database_address_holds_the_port_of_the_spec(own: LiveStack) -> None:
    assert f":{own.spec.postgres_port}/" in own.database_url
    assert own.kafka == f"127.0.0.1:{own.spec.kafka_port}"


async def test_the_stack_starts_again_after_its_supervisor_was_killed(own: LiveStack) -> None:
    topic = await create_topic(own)
    await produce(own, topic, b"kept")
    os.kill(int((own.data_dir / "supervisord.pid").read_text()), signal.SIGKILL)
    native.start(own.spec)
    assert await consume(own, topic, 1) == {b"kept"}


@pytest.fixture
def programs_only(tmp_path: Path) -> Iterator[StackSpec]:
    """A stack of two programs that write their environment and stay, its services being somebody else's."""
    say = ("/bin/sh", "-c", 'echo "$OBSERVATORY_INSTANCE:$ODD"; exec sleep 1000')
    waiting = Program("waiting", say, {"ODD": "a \"b\" 'c' %d ; $HOME # é"}, count=2, priority=10)
    spec = StackSpec(tmp_path / "data", None, None, None, (waiting, Program("other", ("sleep", "1000"))))
    native.prepare(spec)
    native.start(spec)
    yield spec
    native.stop(spec)


def states(spec: StackSpec) -> dict[str, str]:
    return {process.name: process.state for process in native.status(spec)}


def test_programs_start_only_when_asked(programs_only: StackSpec) -> None:
    assert states(programs_only) == {"waiting-1": "stopped", "waiting-2": "stopped", "other": "stopped"}
    native.start_programs(programs_only)
    assert set(states(programs_only).values()) == {"running"}


def test_a_program_gets_its_environment_to_the_letter(programs_only: StackSpec) -> None:
    native.start_program(programs_only, "waiting-2")
    assert native.log_file(programs_only, "waiting-2").read_text() == "waiting-2:a \"b\" 'c' %d ; $HOME # é\n"


def test_a_program_is_stopped_and_started_as_a_whole(programs_only: StackSpec) -> None:
    native.start_programs(programs_only)
    native.stop_program(programs_only, "waiting")
    assert states(programs_only) == {"waiting-1": "stopped", "waiting-2": "stopped", "other": "running"}
    native.restart_program(programs_only, "waiting-1")
    assert states(programs_only)["waiting-1"] == "running"


def test_a_changed_spec_changes_only_what_differs(programs_only: StackSpec) -> None:
    native.start_programs(programs_only)
    before = {process.name: process.pid for process in native.status(programs_only)}
    fewer = StackSpec(programs_only.data_dir, None, None, None, programs_only.programs[:1])
    native.start_programs(fewer)
    assert {process.name: process.pid for process in native.status(fewer)} == {
        "waiting-1": before["waiting-1"],
        "waiting-2": before["waiting-2"],
    }


def test_a_program_that_cannot_stay_up_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    failing = Program("failing", ("/bin/sh", "-c", "echo no such setting; exit 3"))
    spec = StackSpec(tmp_path, None, None, None, (failing,))
    native.start(spec)
    try:
        with pytest.raises(StackError, match="no such setting"):
            native.start_programs(spec, timeout_s=3)
    finally:
        native.stop(spec)


def test_an_unknown_name_is_answered_with_the_known_ones(programs_only: StackSpec) -> None:
    with pytest.raises(StackError, match=r"no chat here; there are other, waiting-1, waiting-2"):
        native.stop_program(programs_only, "chat")


def test_a_very_long_data_folder_is_possible(tmp_path: Path) -> None:
    spec = StackSpec(tmp_path / ("long" * 30), None, None, None, (Program("other", ("sleep", "1000")),))
    native.prepare(spec)
    native.start(spec)
    assert native.is_running(spec)
    native.stop(spec)
    assert not native.is_running(spec)
