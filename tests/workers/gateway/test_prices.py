"""`/api/v1/prices`: the price book over HTTP, with what each key may see and record."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
import pytest_asyncio

from observatory.adapters.postgres.app import ApiKeys
from observatory.adapters.postgres.pool import Pool, open_pool
from observatory.adapters.prices import SHIPPED_VERSION
from tests.workers.gateway.conftest import Process, eventually

CSV = {"content-type": "text/csv"}
JSON_LINES = {"content-type": "application/x-ndjson; charset=utf-8"}


class Client:
    """Asks one gateway for prices."""

    def __init__(self, http: aiohttp.ClientSession, gateway: Process) -> None:
        self._http, self._url = http, f"{gateway.url}/api/v1/prices"

    async def get(self, path: str, key: str | None = None, **parameters: str) -> tuple[int, Any]:
        async with self._http.get(self._url + path, params=parameters, headers=bearer(key)) as response:
            return response.status, await response.json()

    async def set(self, *prices: dict[str, object], key: str | None = None, **more: object) -> tuple[int, Any]:
        body = {"prices": prices, **more}
        async with self._http.post(self._url, json=body, headers=bearer(key)) as response:
            return response.status, await response.json()

    async def send(self, path: str, file: str, headers: dict[str, str]) -> tuple[int, Any]:
        async with self._http.post(self._url + path, data=file.encode(), headers=headers) as response:
            return response.status, await response.json()

    async def versions(self, key: str | None = None) -> list[Any]:
        _, answer = await self.get("/versions", key)
        found: list[Any] = answer["versions"]
        return found

    async def is_open(self) -> bool:
        return (await self.get("/versions"))[0] == 200


def bearer(key: str | None) -> dict[str, str]:
    return {} if key is None else {"authorization": f"Bearer {key}"}


@pytest.fixture
def client(http: aiohttp.ClientSession, gateway: Process) -> Client:
    return Client(http, gateway)


@pytest.fixture
def model() -> str:
    """A model that no other test prices."""
    return f"test-{uuid4().hex[:8]}"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pool(database_url: str) -> AsyncIterator[Pool]:
    made = await open_pool(database_url, size=2, application="test")
    yield made
    await made.close()


@pytest_asyncio.fixture(loop_scope="session")
async def keys(pool: Pool, client: Client) -> AsyncIterator[ApiKeys]:
    """Keys that are gone after the test, for the gateway too."""
    yield ApiKeys(pool)
    await pool.execute("DELETE FROM app.api_keys")
    await eventually("nobody needs a key again", client.is_open)


async def test_what_a_known_model_costs_is_shown(client: Client) -> None:
    status, shown = await client.get("/show", provider="anthropic", model="claude-sonnet-4-5")
    assert (status, shown["price_version"], shown["output_usd_mtok"]) == (200, SHIPPED_VERSION, "15")
    (tier,) = shown["tiers"]
    assert (tier["above_tokens"], tier["output_usd_mtok"]) == (200_000, "22.5")


async def test_what_no_price_is_known_for_is_404(client: Client, model: str) -> None:
    status, problem = await client.get("/show", provider="openai", model=model)
    assert (status, problem["type"]) == (404, "urn:llm-observatory:problem:no_price")


async def test_prices_that_are_set_are_one_version_and_in_force_at_once(client: Client, model: str) -> None:
    base: dict[str, object] = {"provider": "openai", "model": model, "input_usd_mtok": "1.000000000001"}
    factors = {"batch": "0.5"}
    status, made = await client.set(
        {**base, "multipliers": factors}, {**base, "above_tokens": 1000, "input_usd_mtok": "3"}, note="contract"
    )
    assert (status, made["source"], made["rows"], made["note"]) == (201, "set", 2, "contract")
    _, shown = await client.get("/show", provider="openai", model=model, service_tier="batch")
    assert (shown["input_usd_mtok"], shown["price_version"]) == ("0.5000000000005", made["price_version"])
    _, past = await client.get("/show", provider="openai", model=model, as_of=SHIPPED_VERSION)
    assert past["status"] == 404
    _, listed = await client.get("", model=model)
    assert [row["above_tokens"] for row in listed["prices"]] == [0, 1000]
    assert listed["prices"][0]["multipliers"] == factors


async def test_a_version_can_be_compared_with_the_one_before(client: Client, model: str) -> None:
    names = []
    for usd in ("1", "2"):
        _, made = await client.set(
            {"provider": "openai", "model": model, "input_usd_mtok": usd, "valid_from": "2026-01-01T00:00:00Z"}
        )
        names.append(made["price_version"])
    _, answer = await client.get("/diff", before=names[0], after=names[1])
    (change,) = answer["changes"]
    assert (change["model"], change["valid_from"]) == (model, "2026-01-01T00:00:00Z")
    assert (change["before"]["input_usd_mtok"], change["after"]["input_usd_mtok"]) == ("1", "2")
    _, told = await client.get("/history", provider="openai", model=model)
    assert [row["price_version"] for row in told["prices"]] == names


async def test_a_list_has_pages(client: Client) -> None:
    seen: list[Any] = []
    _, answer = await client.get("", provider="anthropic", limit="10")
    while True:
        seen += answer["prices"]
        if answer["next_cursor"] is None:
            break
        _, answer = await client.get("", provider="anthropic", limit="10", cursor=answer["next_cursor"])
    _, whole = await client.get("", provider="anthropic", limit="200")
    assert len(seen) > 20
    assert seen == whole["prices"]


@pytest.mark.parametrize(("headers", "row"), [(CSV, "{},{},1"), (JSON_LINES, None)])
async def test_a_file_is_previewed_and_imported(
    client: Client, model: str, headers: dict[str, str], row: str | None
) -> None:
    lines = f'{{"provider":"openai","model":"{model}","input_usd_mtok":"1"}}'
    file = f"provider,model,input_usd_mtok\nopenai,{model},1\n" if row else lines
    before = len(await client.versions())
    status, answer = await client.send("/import/preview", file, headers)
    assert (status, [change["model"] for change in answer["changes"]]) == (200, [model])
    assert len(await client.versions()) == before
    status, made = await client.send("/import", file, headers)
    assert (status, made["source"], made["rows"]) == (201, "import", 1)
    assert (await client.versions())[-1]["price_version"] == made["price_version"]


async def test_a_bad_file_is_refused_whole_with_every_line(client: Client, model: str) -> None:
    file = f"provider,model,input_usd_mtok\nopenai,{model},1\nopenai,{model},2\nopenai,other,NaN\n"
    before = len(await client.versions())
    status, problem = await client.send("/import", file, CSV)
    assert (status, problem["type"]) == (422, "urn:llm-observatory:problem:invalid_price_file")
    assert [error["line"] for error in problem["errors"]] == [3, 4]
    assert "see line 2" in problem["errors"][0]["detail"]
    assert len(await client.versions()) == before


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"input_usd_mtok": "-1"}, "/prices/0"),
        ({"input_usd_mtok": 1.5}, "/prices/0/input_usd_mtok"),
        ({"input_usd_mtok": "NaN"}, "/prices/0/input_usd_mtok"),
        ({"input_usd_mtok": "1", "currency": "EUR"}, "/prices/0/currency"),
        ({"input_usd_mtok": "1", "colour": "red"}, "/prices/0/colour"),
        ({"input_usd_mtok": "1", "provider": "opnai"}, "/prices/0/provider"),
        ({"input_usd_mtok": "1", "valid_from": "2026-01-01T00:00:00"}, "/prices/0/valid_from"),
        ({}, "/prices/0"),
    ],
)
async def test_a_bad_price_is_refused_with_its_place(
    client: Client, model: str, fields: dict[str, object], pointer: str
) -> None:
    before = len(await client.versions())
    status, problem = await client.set(
        {"provider": "openai", "model": model, **fields}, {"provider": "openai", "model": "m2", "input_usd_mtok": "1"}
    )
    assert status == 422
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert len(await client.versions()) == before


async def test_another_content_type_is_refused(client: Client) -> None:
    status, problem = await client.send("/import", "a", {"content-type": "application/json"})
    assert (status, "text/csv" in problem["detail"]) == (415, True)


@pytest.mark.parametrize("path", ["/diff?before=book/999999", "/show?provider=openai&model=gpt-4o&as_of=nothing"])
async def test_an_unknown_version_is_404(client: Client, path: str) -> None:
    status, problem = await client.get(path)
    assert (status, "/api/v1/prices/versions" in problem["detail"]) == (404, True)


async def test_a_key_sees_and_records_prices_of_its_tenant_only(client: Client, keys: ApiKeys, model: str) -> None:
    mine: dict[str, object] = {"provider": "openai", "model": model, "tenant_id": "acme", "input_usd_mtok": "1"}
    other = {**mine, "tenant_id": "other", "input_usd_mtok": "2"}
    _, text = await keys.create("acme", "test")

    async def key_is_needed() -> bool:
        return not await client.is_open()

    await eventually("a key is needed", key_is_needed)
    before = len(await client.versions(text))
    for strange in (other, {**mine, "tenant_id": None}):
        status, problem = await client.set(mine, strange, key=text)
        assert (status, problem["type"]) == (403, "urn:llm-observatory:problem:not_allowed")
    assert len(await client.versions(text)) == before
    assert (await client.set(mine, key=text))[0] == 201
    assert (await client.get("/show", text, provider="openai", model=model))[1]["input_usd_mtok"] == "1"
    assert (await client.get("/show", text, provider="openai", model=model, tenant_id="other"))[0] == 403
    _, stranger = await keys.create("other", "test")
    for path in ("", "/history"):
        _, answer = await client.get(path, stranger, provider="openai", model=model)
        assert answer["prices"] == []
    _, answer = await client.get("/diff", stranger, before=SHIPPED_VERSION)
    assert model not in [change["model"] for change in answer["changes"]]


async def test_the_endpoints_are_described(http: aiohttp.ClientSession, gateway: Process) -> None:
    async with http.get(f"{gateway.url}/openapi.json") as response:
        document = await response.json()
    described = {path for path in document["paths"] if path.startswith("/api/v1/prices")}
    assert described == {
        f"/api/v1/prices{end}" for end in ("", "/import", "/import/preview", "/show", "/history", "/versions", "/diff")
    }
    posted = document["paths"]["/api/v1/prices"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert posted == {"$ref": "#/components/schemas/SetPrices"}
    assert "PriceFields" in document["components"]["schemas"]
