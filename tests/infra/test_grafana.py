"""The dashboards' files: what they were written from, complete, and reading only what is recorded."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import orjson

from infra.grafana.__main__ import files
from tests.grafana import DASHBOARDS, FOLDER, POSTGRES, targets
from tests.infra.prometheus.rules import rules
from tests.promtool import promtool


def test_dashboards_are_those_that_their_source_makes() -> None:
    made = files()
    assert sorted(made) == DASHBOARDS
    for path, text in made.items():
        assert path.read_text() == text, "run `python -m infra.grafana`"


def test_panels_fill_a_grid_without_overlap_and_have_names_of_their_own() -> None:
    for path in DASHBOARDS:
        panels = orjson.loads(path.read_bytes())["panels"]
        assert len({panel["title"] for panel in panels}) == len({panel["id"] for panel in panels}) == len(panels)
        taken: set[tuple[int, int]] = set()
        for place in (panel["gridPos"] for panel in panels):
            own = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert not own & taken
            assert place["x"] + place["w"] <= 24
            taken |= own


def test_panels_read_sources_that_are_provisioned() -> None:
    provisioned = (FOLDER / "provisioning" / "datasources" / "observatory.yaml").read_text()
    known = set(re.findall(r"uid: (\S+)", provisioned))
    for path in DASHBOARDS:
        assert set(re.findall(r'"uid": "(observatory-(?:ledger|prometheus))"', path.read_text())) <= known


def test_expressions_are_valid_and_read_what_is_recorded(tmp_path: Path) -> None:
    expressions = [target.text for target in targets() if target.datasource != POSTGRES]
    recorded = {rule.name for rule in rules()}
    for expression in expressions:
        assert set(re.findall(r"observatory:[\w:]+", expression)) <= recorded
    made = [{"record": f"panel:{number}", "expr": text} for number, text in enumerate(expressions)]
    path = tmp_path / "panels.yml"
    path.write_bytes(orjson.dumps({"groups": [{"name": "panels", "rules": made}]}))
    done = subprocess.run([promtool(), "check", "rules", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
