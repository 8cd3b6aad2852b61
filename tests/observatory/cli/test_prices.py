"""`observatory prices`: what is recorded is shown, what is wrong is refused whole and leaves nothing behind."""

from pathlib import Path
from uuid import uuid4

import pytest

from observatory.adapters.prices import SHIPPED_VERSION
from tests.observatory.cli.conftest import Cli, Ran
from tests.streams.ledger.ground import Ground


@pytest.fixture
def model() -> str:
    """A model that no other test prices."""
    return f"test-{uuid4().hex[:8]}"


async def versions(ground: Ground) -> int:
    return int(await ground.pool.fetchval("SELECT count(*) FROM ledger.price_versions"))


async def show(cli: Cli, *arguments: str) -> Ran:
    return await cli("prices", "show", "openai", *arguments, "--json")


async def test_a_known_model_is_shown_with_its_prices_and_their_version(cli: Cli) -> None:
    shown = (await show(cli, "gpt-4o-mini")).answer()
    assert shown["price_version"] == SHIPPED_VERSION
    assert (shown["input_usd_mtok"], shown["output_usd_mtok"], shown["tiers"]) == ("0.15", "0.6", [])


async def test_an_unknown_model_has_no_price_until_one_is_set(cli: Cli, model: str) -> None:
    before = await show(cli, model)
    assert before.code == 1
    assert before.stderr == (
        f"observatory: no price is known for openai/{model}; 'observatory prices set' records one\n"
    )
    made = await cli(
        "prices", "set", "openai", model, "--input", "0.40", "--output", "1.6", "--from", "always", "--note", "a guess",
        "--tier", "1000:input=1,output=3", "--multiplier", "batch=0.5", "--json",
    )  # fmt: skip
    version = made.answer()["price_version"]
    shown = (await show(cli, model)).answer()
    assert (shown["price_version"], shown["input_usd_mtok"]) == (version, "0.40")
    (tier,) = shown["tiers"] if isinstance(shown["tiers"], list) else []
    assert (tier["above_tokens"], tier["output_usd_mtok"]) == (1000, "3")
    batch = (await show(cli, model, "--service-tier", "batch")).answer()
    assert batch["input_usd_mtok"] == "0.200"
    assert (await show(cli, model, "--as-of", SHIPPED_VERSION)).code == 1


async def test_a_price_for_a_tenant_is_that_tenants_alone(cli: Cli) -> None:
    tenant = uuid4().hex
    await cli("prices", "set", "openai", "gpt-4o", "--tenant", tenant, "--input", "2", "--output", "8")
    assert (await show(cli, "gpt-4o", "--tenant", tenant)).answer()["input_usd_mtok"] == "2"
    assert (await show(cli, "gpt-4o")).answer()["price_version"] == SHIPPED_VERSION
    listed = (await cli("prices", "list", "--tenant", tenant, "--json")).json()
    assert isinstance(listed, list)
    assert [row["input_usd_mtok"] for row in listed] == ["2"]
    await cli("prices", "set", "openai", "gpt-4o", "--tenant", tenant, "--withdraw")
    assert (await show(cli, "gpt-4o", "--tenant", tenant)).answer()["input_usd_mtok"] == "2.5"


async def test_history_and_diff_tell_what_came_and_what_it_changed(cli: Cli, model: str) -> None:
    names = []
    for usd in ("1", "2"):
        made = await cli("prices", "set", "openai", model, "--input", usd, "--from", "2026-01-01T00:00:00Z", "--json")
        names.append(str(made.answer()["price_version"]))
    rows = (await cli("prices", "history", "openai", model, "--json")).json()
    assert isinstance(rows, list)
    assert [(row["price_version"], row["input_usd_mtok"]) for row in rows] == [(names[0], "1"), (names[1], "2")]
    found = (await cli("prices", "diff", *names, "--json")).json()
    assert isinstance(found, list)
    assert [
        (c["model"], c["valid_from"], c["before"]["input_usd_mtok"], c["after"]["input_usd_mtok"]) for c in found
    ] == [(model, "2026-01-01T00:00:00.000000Z", "1", "2")]
    all_versions = (await cli("prices", "history", "--json")).json()
    assert isinstance(all_versions, list)
    assert all_versions[0]["price_version"] == SHIPPED_VERSION
    assert {*names} < {version["price_version"] for version in all_versions}


async def test_a_file_becomes_one_version(cli: Cli, ground: Ground, tmp_path: Path, model: str) -> None:
    file = tmp_path / "prices.csv"
    file.write_text(f"provider,model,input_usd_mtok,tenant_id\nopenai,{model},1,\nopenai,{model},2,acme\n")
    before = await versions(ground)
    tried = await cli("prices", "import", str(file), "--dry-run", "--json")
    changes = tried.json()
    assert isinstance(changes, list)
    assert [(change["model"], change["tenant_id"], change["before"]) for change in changes] == [
        (model, None, None),
        (model, "acme", None),
    ]
    assert await versions(ground) == before
    made = (await cli("prices", "import", str(file), "--note", "contract", "--json")).answer()
    assert (made["rows"], made["source"], made["note"]) == (2, "import", "contract")
    assert await versions(ground) == before + 1
    assert (await show(cli, model, "--tenant", "acme")).answer()["price_version"] == made["price_version"]


async def test_a_bad_file_is_refused_whole_with_every_line(cli: Cli, ground: Ground, model: str) -> None:
    good = f'{{"provider":"openai","model":"{model}","input_usd_mtok":"1"}}'
    bad = good.replace('"1"', '"-1"') + "\n" + good.replace("input", "inptu")
    before = await versions(ground)
    refused = await cli("prices", "import", "-", "--format", "jsonl", stdin=f"{good}\n{bad}\n{good}\n".encode())
    assert refused.code == 1
    first, *lines = refused.stderr.splitlines()
    assert first == "observatory: - is refused, nothing of it was recorded:"
    assert [line.split(":")[1] for line in lines] == ["2", "2", "3", "4"]
    assert "negative" in lines[0]
    assert "see line 1" in lines[3]
    assert await versions(ground) == before
    assert (await show(cli, model)).code == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["set", "openai", "m"], "neither input_usd_mtok nor output_usd_mtok is given"),
        (["set", "openai", "--input", "1"], "name a model or a deployment"),
        (["set", "opnai", "m", "--input", "1"], "no price table 'opnai'"),
        (["set", "openai", "m", "--input", "-1"], "input_usd_mtok -1 is negative"),
        (["set", "openai", "m", "--input", "NaN"], "no finite number"),
        (["set", "openai", "m", "--input", "1", "--tier", "x:input=1"], "write as in 200000:input=6,output=22.5"),
        (["set", "openai", "m", "--input", "1", "--tier", "5:output=1"], "a tier names the same prices"),
        (["set", "openai", "m", "--input", "1", "--tier", "5:input=1", "--tier", "5:input=2"], "stands twice"),
        (["set", "openai", "m", "--input", "1", "--multiplier", "batch"], "batch=0.5"),
        (["set", "openai", "m", "--input", "1", "--to", "1d"], "is not after valid_from"),
        (["set", "openai", "m", "--input", "1", "--withdraw"], "what is withdrawn has no prices"),
        (["set", "openai", "m", "--input", "1", "--from", "soon"], "'soon' is no time"),
        (["diff", "book/999999"], "no version 'book/999999'; 'observatory prices history' shows them"),
        (["show", "openai", "m", "--as-of", "x"], "no version 'x'"),
        (["history", "openai"], "give both"),
        (["import", "prices.txt"], "is it CSV or JSON Lines?"),
        (["import", "nowhere.csv"], "nowhere.csv: No such file"),
    ],
)
async def test_what_cannot_be_done_is_one_line(cli: Cli, ground: Ground, arguments: list[str], message: str) -> None:
    before = await versions(ground)
    ran = await cli("prices", *arguments)
    assert ran.code == 2
    (line,) = ran.stderr.splitlines()
    assert message in line
    assert await versions(ground) == before


async def test_tables_are_printed(cli: Cli, model: str) -> None:
    await cli("prices", "set", "openai", model, "--input", "0.125", "--output", "1")
    assert "0.125" in (await cli("prices", "list", "--model", model)).stdout
    assert "0.125" in (await cli("prices", "show", "openai", model)).stdout
    assert "0.125" in (await cli("prices", "history", "openai", model)).stdout
    assert "0.125" in (await cli("prices", "diff", SHIPPED_VERSION)).stdout
    assert SHIPPED_VERSION in (await cli("prices", "history")).stdout
    ran = await cli("prices", "list", "--provider", "openai", "--limit", "3")
    assert "Only the first 3 of" in ran.stderr


async def test_migrating_again_imports_nothing(cli: Cli, ground: Ground) -> None:
    before = await versions(ground)
    again = (await cli("migrate", "--json")).answer()
    assert (again["migrations"], again["prices"]) == ([], None)
    assert await versions(ground) == before
