"""How the gateway serves the web application: files, views, caching, compression, and no build at all."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from workers.gateway.web import POLICY, Web

PAGE = b"<!doctype html><title>the page</title>"
SCRIPT = b"console.log(1)" * 40
HTML = {"accept": "text/html,application/xhtml+xml"}


async def rest(_: Request) -> PlainTextResponse:
    return PlainTextResponse("the rest", 404)


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_bytes(PAGE)
    (tmp_path / "theme.js").write_bytes(b"1")
    script = tmp_path / "assets" / "index-abc.js"
    script.write_bytes(SCRIPT)
    script.with_name("index-abc.js.gz").write_bytes(gzip.compress(SCRIPT))
    return tmp_path


@pytest.fixture
def client(dist: Path) -> TestClient:
    return TestClient(Web(Starlette(routes=[Route("/{any:path}", rest, methods=["GET", "POST"])]), dist))


@pytest.mark.parametrize("path", ["/", "/costs", "/costs?by=user", "/a/b/c"])
def test_every_view_is_the_one_page(client: TestClient, path: str) -> None:
    answer = client.get(path, headers=HTML)
    assert (answer.status_code, answer.content) == (200, PAGE)
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["content-type"].startswith("text/html")


def test_a_file_whose_name_has_a_hash_is_kept_for_ever_and_comes_compressed(client: TestClient) -> None:
    answer = client.get("/assets/index-abc.js", headers={"accept-encoding": "gzip"})
    assert answer.content == SCRIPT
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) < len(SCRIPT)
    assert "immutable" in answer.headers["cache-control"]
    plain = client.get("/assets/index-abc.js", headers={"accept-encoding": "identity"})
    assert ("content-encoding" in plain.headers, plain.content) == (False, SCRIPT)
    assert client.get("/theme.js").headers["cache-control"] == "no-cache"


def test_what_is_known_is_not_sent_again(client: TestClient) -> None:
    etag = client.get("/", headers=HTML).headers["etag"]
    again = client.get("/", headers={**HTML, "if-none-match": etag})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["/assets/index-old.js", "/../secret", "/nothing.css"])
def test_what_is_neither_file_nor_view_is_left_to_the_rest(client: TestClient, path: str) -> None:
    assert client.get(path, headers={"accept": "*/*"}).text == "the rest"
    assert client.post("/", headers=HTML).text == "the rest"


def test_a_new_build_is_served_without_a_restart(client: TestClient, dist: Path) -> None:
    client.get("/", headers=HTML)
    (dist / "index.html").write_bytes(b"new")
    os.utime(dist / "index.html", ns=(1, 1))
    assert client.get("/", headers=HTML).content == b"new"


def test_without_a_build_the_page_says_how_to_make_one(client: TestClient, dist: Path) -> None:
    (dist / "index.html").unlink()
    answer = client.get("/", headers=HTML)
    assert answer.status_code == 503
    assert "make install" in answer.text
