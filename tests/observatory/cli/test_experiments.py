"""`observatory experiments`: from a file to the end, and what it refuses in one line."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from tests.observatory.cli.conftest import Cli

MINI = {"experiment_id": "mini", "unit": "user", "variants": [{"name": "now"}, {"name": "mini", "weight": 2}]}


async def test_an_experiment_is_created_started_looked_at_and_stopped(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "mini.json"
    file.write_bytes(orjson.dumps(MINI))
    made = await cli("experiments", "create", str(file), "--tenant", "acme", "--json")
    assert (made.code, made.answer()["state"]) == (0, "draft")
    again = await cli("experiments", "create", str(file), "--tenant", "acme")
    assert (again.code, again.stderr.count("\n")) == (1, 1)
    assert "choose another id" in again.stderr
    assert (await cli("experiments", "start", "mini", "--tenant", "acme")).code == 0
    file.write_bytes(orjson.dumps({**MINI, "traffic": 0.5}))
    changed = await cli("experiments", "change", str(file), "--tenant", "acme", "--json")
    assert changed.answer()["version"] == 2
    listed = await cli("experiments", "list")
    assert all(text in listed.stdout for text in ("mini", "acme", "running", "now 1, mini 2", "50 %"))
    shown = (await cli("experiments", "show", "mini", "--tenant", "acme", "--json")).answer()
    assert shown["version"] == 2
    results = (await cli("experiments", "results", "mini", "--tenant", "acme", "--json")).answer()
    assert results["verdict"] == [
        f"Variant mini, {metric}: too few units to tell (0 and 0 of 50 each)."
        for metric in ("cost", "latency", "error rate", "feedback")
    ]
    told = await cli("experiments", "results", "mini", "--tenant", "acme")
    assert "too few units to tell" in told.stdout
    assert "not every partition was read yet" in told.stderr
    assert (await cli("experiments", "stop", "mini", "--tenant", "acme")).code == 0
    ended = await cli("experiments", "start", "mini", "--tenant", "acme")
    assert ended.code == 1
    assert "cannot start again; create another one" in ended.stderr


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        (b"{", 2, "JSON"),
        (b'{"experiment_id": "x", "variants": [{"name": "a"}]}', 2, "variants"),
        (b'{"experiment_id": "x", "variants": [{"name": "a"}, {"name": "a"}]}', 2, "a name of its own"),
        (b'{"experiment_id": "x", "variants": [{"name": "a"}, {"name": "b"}], "color": 1}', 2, "color"),
    ],
)
async def test_what_is_no_experiment_is_told_in_one_line(cli: Cli, text: bytes, code: int, says: str) -> None:
    ran = await cli("experiments", "create", "-", stdin=text)
    assert (ran.code, ran.stderr.count("\n")) == (code, 1)
    assert says in ran.stderr


async def test_one_that_is_not_there_is_told_in_one_line(cli: Cli) -> None:
    ran = await cli("experiments", "results", "nobody")
    assert ran.code == 1
    assert ran.stderr == "observatory: there is no experiment 'nobody'; 'observatory experiments list' shows all\n"
