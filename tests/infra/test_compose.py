"""What compose.yaml names exists; its services are set as the native ones are; no secret is in it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import AliasChoices, AliasPath
from pydantic_settings import BaseSettings

from infra.native import kafka, postgres, web
from observatory.adapters.settings import ChatSettings, KafkaSettings, ProviderSettings, Settings
from observatory.cli.main import COMMANDS
from tests.node import node

ROOT = web.ROOT
INFRA = ROOT / "infra"
OF_THE_PLACE = {"listeners", "controller.quorum.voters", "log.dirs"}
"""What a broker says about where it is, which in a container is elsewhere."""
OF_THE_IMAGE = {
    "listen_addresses",
    "port",
    "unix_socket_directories",
    "log_timezone",
    "log_line_prefix",
    "timescaledb.telemetry_level",  # TIMESCALEDB_TELEMETRY
}
DEFAULTS = {"max_connections": "100", "fsync": "on", "synchronous_commit": "on"}
"""PostgreSQL's own, which the native settings only spell out."""


def read(path: Path) -> Any:
    """A YAML file as JSON would have it, read by the parser that the page's tools bring."""
    script = "console.log(JSON.stringify(require('js-yaml').load(require('fs').readFileSync(0, 'utf8'))))"
    with path.open() as text:
        done = subprocess.run([node(), "-e", script], stdin=text, stdout=subprocess.PIPE, cwd=web.WEB, check=True)
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = read(INFRA / "compose.yaml")["services"]
    return found


def variables(group: type[BaseSettings]) -> Iterator[str]:
    """The environment variables that a group of settings reads."""
    prefix = str(group.model_config.get("env_prefix", ""))
    for name, field in group.model_fields.items():
        alias = field.validation_alias
        assert not isinstance(alias, AliasChoices | AliasPath)
        yield alias or f"{prefix}{name}".upper()


def ours(services: dict[str, Any]) -> dict[str, Any]:
    return {name: service for name, service in services.items() if service["image"] == "llm-observatory"}


def test_programs_get_settings_that_there_are(services: dict[str, Any]) -> None:
    known = {name for group in (Settings, KafkaSettings, ProviderSettings, ChatSettings) for name in variables(group)}
    for name, service in ours(services).items():
        assert set(service["environment"]) <= known, name
    assert set(variables(ProviderSettings)) <= set(services["chat"]["environment"])


def test_programs_exist(services: dict[str, Any]) -> None:
    for name, service in ours(services).items():
        program, *arguments = service["command"]
        if program == "observatory":
            assert any(arguments[0] in group for group in COMMANDS.values()), name
        else:
            assert (program, arguments[0]) == ("python", "-m"), name
            module = ROOT.joinpath(*arguments[1].split("."))
            assert module.with_suffix(".py").is_file() or (module / "__main__.py").is_file(), name


def test_the_broker_is_set_as_the_native_one(services: dict[str, Any]) -> None:
    given = services["kafka"]["environment"]
    native = dict(line.split("=", 1) for line in kafka.settings(Path("/"), 9092, 9093).splitlines())
    for name, value in native.items():
        if name not in OF_THE_PLACE:
            assert given.get("KAFKA_" + name.upper().replace(".", "_")) == value, name
    assert services["kafka"]["image"] == f"apache/kafka:{read_kafka_version()}"


def read_kafka_version() -> str:
    pom = (INFRA / "native" / "kafka" / "pom.xml").read_text()
    found = re.search(r"<artifactId>kafka_[\d.]+</artifactId>\s*<version>([\d.]+)<", pom)
    assert found is not None
    return found[1]


def test_the_database_is_set_as_the_native_one(services: dict[str, Any]) -> None:
    given = dict(option[2:].split("=", 1) for option in services["postgres"]["command"][1:])
    for line in postgres.settings(None, 5432).splitlines():
        name, value = (part.strip(" '") for part in line.split("=", 1))
        if name not in OF_THE_IMAGE:
            assert {**DEFAULTS, **given}.get(name) == value, name


def test_secrets_come_from_the_environment(services: dict[str, Any]) -> None:
    asked = re.compile(r"\$\{OBSERVATORY_\w+_PASSWORD:\?[^}]+\}")
    secrets = 0
    for name, service in services.items():
        for variable, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|_KEY$|SECRET|TOKEN", variable):
                assert value is None or asked.fullmatch(value), f"{name}: {variable}"
                secrets += 1
            elif "@" in str(value) and "://" in str(value):
                assert asked.search(value), f"{name}: {variable}"
    assert secrets
    assert not re.search(r"(?i)^(?:ARG|ENV).*(?:PASSWORD|KEY|SECRET)", (INFRA / "Dockerfile").read_text(), re.MULTILINE)


def test_only_this_machine_reaches_a_port(services: dict[str, Any]) -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published), published


def test_mounted_files_exist(services: dict[str, Any]) -> None:
    volumes = read(INFRA / "compose.yaml")["volumes"]
    for name, service in services.items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (INFRA / source).exists() if source.startswith("./") else source in volumes, f"{name}: {volume}"


def test_the_image_has_all_packages() -> None:
    copied = {line.split()[1] for line in (INFRA / "Dockerfile").read_text().splitlines() if line.startswith("COPY ")}
    project = (ROOT / "pyproject.toml").read_text()
    found = re.search(r"^include = \[(.*)\]$", project, re.MULTILINE)
    assert found is not None
    assert set(re.findall(r'"(\w+)\*"', found[1])) <= copied
    assert all((ROOT / source).exists() for source in copied if not source.startswith("--"))


def test_watched_processes_are_services(services: dict[str, Any]) -> None:
    """The gateway's and Prometheus' addresses."""
    told = services["gateway"]["environment"]["OBSERVATORY_PROCESSES"]
    watched = re.findall(r"http://(\w+):(\d+)/healthz", told)
    for job in read(INFRA / "prometheus" / "prometheus.yml")["scrape_configs"]:
        watched += [(name, str(each["port"])) for each in job["dns_sd_configs"] for name in each["names"]]
    for name, port in watched:
        variable = "OBSERVATORY_HTTP_PORT" if name == "gateway" else "OBSERVATORY_METRICS_PORT"
        assert services[name]["environment"][variable] == port, name
    assert {name for name, _ in watched} == set(ours(services)) - {"migrate", "simulator"}


def test_grafana_is_told_what_its_sources_ask_for(services: dict[str, Any]) -> None:
    sources = (INFRA / "grafana" / "provisioning" / "datasources" / "observatory.yaml").read_text()
    wanted = set(re.findall(r"\$(\w+)", sources))
    assert wanted
    assert wanted <= set(services["grafana"]["environment"])
