"""The build is small, and the types of the API are those of the gateway."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.native.web import MINIMUM_NODE, digest
from tests.node import node
from workers.gateway.openapi import document
from workers.gateway.web import DIST

WEB = DIST.parent
FIRST_VIEW_BYTES = 150_000
IMPORTED = re.compile(r"""(?:from|import)\s*["']\./([\w.-]+\.js)["']""")


def loaded_with(name: str, found: set[str]) -> set[str]:
    """The names of a module of the build and of all that it imports at once."""
    if name not in found:
        found.add(name)
        for other in IMPORTED.findall((DIST / "assets" / name).read_text(encoding="utf-8")):
            loaded_with(other, found)
    return found


def first_view() -> Iterator[Path]:
    """What a browser must have to show the overview, charts included."""
    page = DIST / "index.html"
    yield page
    linked = re.findall(r'(?:src|href)="/([^"]+)"', page.read_text(encoding="utf-8"))
    yield from (DIST / name for name in linked)
    modules: set[str] = set()
    for name in [Path(link).name for link in linked if link.endswith(".js") and link.startswith("assets/")]:
        loaded_with(name, modules)
    for chunk in ("Overview", "Chart"):
        for path in (DIST / "assets").glob(f"{chunk}-*.js"):
            loaded_with(path.name, modules)
    yield from {DIST / "assets" / name for name in modules} - {DIST / name for name in linked}


def test_the_first_view_is_small() -> None:
    sizes = {path.name: len(gzip.compress(path.read_bytes(), 9)) for path in first_view()}
    assert any(name.startswith("Overview-") for name in sizes)
    assert sum(sizes.values()) < FIRST_VIEW_BYTES, sizes


def test_every_text_is_there_compressed() -> None:
    for path in [*DIST.rglob("*.js"), *DIST.rglob("*.css"), *DIST.rglob("*.html")]:
        assert gzip.decompress(path.with_name(path.name + ".gz").read_bytes()) == path.read_bytes()
        assert path.with_name(path.name + ".br").is_file()


def test_nothing_is_asked_of_another_host() -> None:
    known = ("http://www.w3.org/", "https://react.dev/errors/", "https://tailwindcss.com", "https://github.com/")
    for path in [*DIST.rglob("*.js"), *DIST.rglob("*.css"), *DIST.rglob("*.html")]:
        addresses = re.findall(r"https?://[^\s\"'`)]+", path.read_text(encoding="utf-8"))
        assert [each for each in addresses if not each.startswith(known)] == [], path.name


def test_the_lock_names_no_registry() -> None:
    assert '"resolved"' not in (WEB / "package-lock.json").read_text(encoding="utf-8")


def test_every_version_is_exact() -> None:
    package = json.loads((WEB / "package.json").read_text(encoding="utf-8"))
    for name, version in (package["dependencies"] | package["devDependencies"]).items():
        assert re.fullmatch(r"(?:npm:[\w-]+@)?\d+\.\d+\.\d+", version), name


@pytest.mark.timeout(60)
async def test_the_types_are_those_of_the_gateway(tmp_path: Path) -> None:
    described = tmp_path / "openapi.json"
    described.write_text(json.dumps(await document()), encoding="utf-8")
    package = json.loads((WEB / "package.json").read_text(encoding="utf-8"))
    command = package["scripts"]["api"].replace("openapi.json", str(described)).replace("src/api", str(tmp_path))
    program, *arguments = command.split()
    generated = await asyncio.create_subprocess_exec(
        node(),
        WEB / "node_modules" / ".bin" / program,
        *arguments,
        cwd=WEB,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said, _ = await generated.communicate()
    assert generated.returncode == 0, said
    wanted = (tmp_path / "schema.d.ts").read_text(encoding="utf-8")
    assert (WEB / "src" / "api" / "schema.d.ts").read_text(encoding="utf-8") == wanted, "run: make web-types"


def test_a_change_of_any_source_is_another_digest(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.ts").write_text("1")
    before = digest(tmp_path, "src")
    (tmp_path / "src" / "b.ts").write_text("")
    added = digest(tmp_path, "src")
    (tmp_path / "src" / "a.ts").write_text("2")
    assert len({before, added, digest(tmp_path, "src")}) == 3


def test_the_build_is_made_by_a_node_that_is_new_enough() -> None:
    package = json.loads((WEB / "package.json").read_text(encoding="utf-8"))
    assert package["engines"]["node"] == ">=" + ".".join(map(str, MINIMUM_NODE))
    assert shutil.which("node") or (WEB.parent / ".venv" / "node").is_dir()
