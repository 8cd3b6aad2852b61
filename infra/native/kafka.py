"""One Kafka broker in KRaft mode: its settings, its storage, and how to know that it answers.

It listens on loopback only and creates no topic by itself. Killed with `kill -9` it starts again without help: the
storage is formatted once, and its lock dies with the process.
"""

from __future__ import annotations

import socket
import struct
import subprocess
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

from infra.native import locations
from infra.native.waiting import StackError

LARGEST_RECORD_BYTES = 8_500_000
YEAR_MINUTES = 525_600

_LOGGING = Path(__file__).resolve().parent / "kafka" / "log4j2.xml"


def prepare(folder: Path, port: int, controller_port: int) -> None:
    """Write the settings into `folder` and format its storage, unless that was done before."""
    folder.mkdir(parents=True, exist_ok=True)
    properties = _properties(folder)
    properties.write_text(settings(folder / "data", port, controller_port))
    if (folder / "data" / "meta.properties").exists():
        return
    cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    program = [*_java("-Xmx128m", "-XX:TieredStopAtLevel=1"), "kafka.tools.StorageTool"]
    done = subprocess.run(
        [*program, "format", "--ignore-formatted", f"--cluster-id={cluster}", "-c", str(properties)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise StackError(f"Kafka's storage in {folder} could not be formatted:\n{done.stdout[-2000:]}")


def command(folder: Path) -> tuple[str, ...]:
    """The broker as one process, for which `prepare` was called."""
    # The quick compiler alone: on a small machine the thorough one takes, for minutes, more than it ever gives back.
    options = (
        "-XX:TieredStopAtLevel=1",
        "-Xms256m",
        "-Xmx512m",
        "-XX:+UseG1GC",
        "-XX:MaxGCPauseMillis=20",
        "-XX:+ExitOnOutOfMemoryError",
    )
    return (*_java(*options), "kafka.Kafka", str(_properties(folder)))


def settings(data: Path, port: int, controller_port: int) -> str:
    """The broker's server.properties."""
    values = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": data,
        "auto.create.topics.enable": "false",
        "message.max.bytes": LARGEST_RECORD_BYTES,
        "replica.fetch.max.bytes": LARGEST_RECORD_BYTES,
        # A killed broker may register again only when its old session has ended: after 9 s by default.
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 500,
        "group.initial.rebalance.delay.ms": 0,
        "offsets.topic.num.partitions": 8,
        "offsets.topic.replication.factor": 1,
        # Longer than any record is kept: a consumer that was away for weeks goes on where it stopped.
        "offsets.retention.minutes": YEAR_MINUTES,
        "transaction.state.log.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
    }
    return "".join(f"{name}={value}\n" for name, value in values.items())


def answers(port: int) -> bool:
    """Whether a broker on loopback answers the protocol's first question, ApiVersions; an open port is not enough."""
    client = b"observatory"
    request = struct.pack(">hhih", 18, 0, 1, len(client)) + client
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            reply = connection.recv(10)
    except OSError:
        return False
    return len(reply) == 10 and struct.unpack(">iih", reply)[1:] == (1, 0)


def _properties(folder: Path) -> Path:
    return folder / "server.properties"


def _java(*options: str) -> tuple[str, ...]:
    java, libs = locations.java(), locations.kafka_libs()
    if java is None or libs is None:
        raise locations.NotInstalled("Kafka or Java is not installed: run `make install`, or set OBSERVATORY_KAFKA.")
    quiet = (f"-Dlog4j2.configurationFile={_LOGGING}", "-Djava.awt.headless=true")
    return (str(java), *options, *quiet, "-cp", f"{libs}/*")
