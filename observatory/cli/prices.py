"""`observatory prices`: the price book: look at it, add to it, see what a version changed."""

import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from observatory.adapters.postgres.prices import load_book, record
from observatory.cli.options import AtMost, Json, parse_moment
from observatory.cli.output import print_json, stderr, stdout
from observatory.cli.outside import database, settings
from observatory.cli.price_input import read_price_file, rows_of_file
from observatory.cli.price_options import NOTHING_SAID, PriceOptions, rows_of_options
from observatory.cli.price_tables import (
    change_json,
    changes_table,
    rates_json,
    rates_table,
    row_json,
    rows_table,
    version_json,
    versions_table,
)
from observatory.cli.problems import Problem, wrong_usage
from observatory.rules.price_book import PriceBook, PriceVersion, UnknownPriceVersion
from observatory.rules.price_files import Format
from observatory.rules.price_rows import PriceRow
from observatory.rules.price_views import changes, history, valid_rows
from observatory.rules.pricing import PriceQuery

At = Annotated[str | None, Parameter(help="At which moment: '2h' ago, or an RFC 3339 time; else now.")]
AsOf = Annotated[str | None, Parameter(help="With what was known with this version, as book/7 or 7; else all.")]
Provider = Annotated[str, Parameter(help="The price table: openai, azure, anthropic, …")]
Model = Annotated[str, Parameter(help="The model, by any of its names.")]
Note = Annotated[str, Parameter(show_default=False, help="Why; kept with the version.")]

prices = App(
    name="prices",
    help="""The price book: prices with the time for which they are valid and the version that brought them.

It begins with the list that `genai-prices` ships; prices of your own come before it, the most specific one first: for
a tenant, a deployment, a region, a model. Nothing is ever changed: each `set` and each `import` is a version, and no
call that was costed before changes by it. Prices are US dollars for a million tokens, exact.

Some uses:

`observatory prices list --provider openai --model gpt-4o`

`observatory prices show openai gpt-4o --tenant acme`

`observatory prices set openai our-model --input 0.40 --output 1.60 --from 2026-11-01`

`observatory prices import prices.csv --dry-run`

`observatory prices diff book/6 book/7`

`observatory prices history openai gpt-4o`""",
)


@prices.command(name="list")
async def list_prices(
    *,
    provider: Annotated[str | None, Parameter(help="Only this price table.")] = None,
    model: Annotated[str | None, Parameter(help="Only models with this in their name.")] = None,
    tenant: Annotated[str | None, Parameter(help="Only prices for this tenant.")] = None,
    source: Annotated[Literal["own", "shipped", "all"], Parameter(help="Whose prices.")] = "all",
    at: At = None,
    as_of: AsOf = None,
    limit: Annotated[AtMost, Parameter(help="How many rows at most.")] = 100,
    json: Json = False,
) -> int:
    """List the prices that are valid: your own first, then the shipped list's."""
    book = await _book(as_of)
    shipped = {version.version for version in book.versions if version.source == "shipped"}
    found = [
        one
        for one in valid_rows(book, _moment(at))
        if provider in (None, one.row.provider)
        and (model is None or model.lower() in (one.row.model or "").lower())
        and tenant in (None, one.row.tenant_id)
        and (source == "all" or (source == "shipped") == (one.version in shipped))
    ]
    if json:
        print_json([row_json(book, one) for one in found[:limit]], indent=True)
    else:
        stdout().print(rows_table(book, found[:limit]) if found else "There are none.")
    if len(found) > limit:
        stderr().print(f"Only the first {limit} of {len(found)} rows are shown (--limit).")
    return 0


@prices.command
async def show(
    provider: Provider,
    model: Model,
    /,
    *,
    tenant: Annotated[str | None, Parameter(help="For a call of this tenant.")] = None,
    deployment: Annotated[str | None, Parameter(help="For a call to this deployment.")] = None,
    region: Annotated[str | None, Parameter(help="For a call to this region.")] = None,
    service_tier: Annotated[str | None, Parameter(help="Served in this tier: batch, priority, flex, …")] = None,
    at: At = None,
    as_of: AsOf = None,
    json: Json = False,
) -> int:
    """Show what a call costs, bucket by bucket, and which version says so; exit code 1 when no price is known."""
    book = await _book(as_of)
    query = PriceQuery(
        kind=provider,
        model=model,
        at=_moment(at),
        service_tier=service_tier,
        tenant_id=tenant,
        region=region,
        deployment=deployment,
    )
    found = book.rates(query)
    if found is None:
        raise Problem(f"no price is known for {provider}/{model}; 'observatory prices set' records one")
    if json:
        print_json({**dataclasses.asdict(query), "price_version": found[1], **rates_json(found[0])}, indent=True)
    else:
        stdout().print(rates_table(*found))
    return 0


@prices.command(name="set")
async def set_price(
    provider: Provider, model: Annotated[str | None, Parameter(help="The model; or give --deployment.")] = None, /,
    *, options: Annotated[PriceOptions, Parameter(name="*")] = NOTHING_SAID, note: Note = "", json: Json = False,
) -> int:  # fmt: skip
    """Record a price as a new version. Tokens without a price of their own cost as plain input or output.

    Without --from it is valid from now on; with an earlier time, calls costed before keep their cost until they are
    priced again. The same again with another price is a correction: of prices for the same the newest counts. With
    --withdraw the prices recorded for the same before do not count any more in that period.

    Some uses:

    `observatory prices set openai gpt-4o --tenant acme --input 2 --output 8 --cache-read 0.5`

    `observatory prices set anthropic claude-sonnet-4-5 --input 3 --output 15 --tier 200000:input=6,output=22.5`

    `observatory prices set azure gpt-4o --input 2.5 --output 10 --multiplier batch=0.5 --multiplier priority=1.75`

    `observatory prices set openai our-model --input 0.4 --output 1.6 --from always`

    `observatory prices set openai gpt-4o --tenant acme --withdraw --from 2027-01-01`
    """
    async with database(settings().database_url) as pool:
        book = await load_book(pool)
        rows = rows_of_options(provider, model, options, datetime.now(UTC), _tables(book))
        version = await record(pool, "set", rows, note)
    _print_version(version, rows, as_json=json)
    return 0


@prices.command(name="import")
async def import_prices(
    file: Annotated[Path, Parameter(allow_leading_hyphen=True, help="The file; '-' for standard input.")],
    /,
    *,
    format: Annotated[Format | None, Parameter(help="Else told by the file's name.")] = None,  # noqa: A002
    note: Note = "",
    dry_run: Annotated[
        bool, Parameter(show_default=False, help="Check the file, say what it would change, record nothing.")
    ] = False,
    json: Json = False,
) -> int:
    """Record a file of prices as one new version, or refuse it whole with the line of everything that is wrong.

    A file is CSV with a header line (`.csv`) or JSON Lines (`.jsonl`), one price a line. Its fields, of which
    `provider`, `model` or `deployment`, and a price are needed:

    `provider model tenant_id region deployment service_tier`: what the price is for; none means any.

    `valid_from valid_to`: days or RFC 3339 times, the second not included; none means no limit.

    `input_usd_mtok output_usd_mtok cache_read_usd_mtok cache_write_5m_usd_mtok cache_write_1h_usd_mtok
    input_audio_usd_mtok output_audio_usd_mtok input_image_usd_mtok`: US dollars for a million tokens, at most 12
    decimals. What has no price costs as plain input or output.

    `above_tokens`: the line is a tier of the one with the same key and period: it applies to prompts of more tokens.

    `multipliers`: by service tier, `batch=0.5 priority=1.75` in CSV, `{"batch": "0.5"}` in JSON.

    `withdrawn`: `true`: prices recorded for the same before do not count any more in that period.

    `currency`: `USD`, the only one.

    Some uses:

    `observatory prices import prices.csv --note "contract of 2026"`

    `observatory prices import prices.jsonl --dry-run`
    """
    form, data = read_price_file(file, format)
    async with database(settings().database_url) as pool:
        book = await load_book(pool)
        rows = rows_of_file(file, form, data, book)
        if dry_run:
            _print_changes(book, book.with_overrides(rows, name=str(file)), as_json=json)
            return 0
        version = await record(pool, "import", rows, note)
    _print_version(version, rows, as_json=json)
    return 0


@prices.command
async def diff(
    before: Annotated[str, Parameter(help="A version, as book/6 or 6.")],
    after: Annotated[str | None, Parameter(help="A later version; else the newest.")] = None,
    /,
    *,
    json: Json = False,
) -> int:
    """Show where two versions of the book have different prices: for what, from when, before and after."""
    book = await _book(None)
    _print_changes(_as_of(book, before), book if after is None else _as_of(book, after), as_json=json)
    return 0


@prices.command(name="history")
async def show_history(
    provider: Annotated[str | None, Parameter(help="The price table; without, the versions of the book.")] = None,
    model: Annotated[str | None, Parameter(help="The model, by any of its names.")] = None,
    /,
    *,
    json: Json = False,
) -> int:
    """Show every price that was ever recorded for a model; without one, the versions of the book."""
    if (provider is None) != (model is None):
        raise wrong_usage("give both, the provider and the model, or none")
    book = await _book(None)
    if provider is None or model is None:
        if json:
            print_json([version_json(version) for version in book.versions], indent=True)
        else:
            stdout().print(versions_table(book.versions))
        return 0
    found = history(book, provider, model)
    if json:
        print_json([row_json(book, one) for one in found], indent=True)
    else:
        stdout().print(rows_table(book, found, recorded=True) if found else "There is none.")
    return 0


async def _book(as_of: str | None) -> PriceBook:
    async with database(settings().database_url) as pool:
        book = await load_book(pool)
    return book if as_of is None else _as_of(book, as_of)


def _as_of(book: PriceBook, name: str) -> PriceBook:
    try:
        return book.as_of(book.version_named(name).version)
    except UnknownPriceVersion as error:
        raise wrong_usage(f"{error}; 'observatory prices history' shows them") from error


def _tables(book: PriceBook) -> frozenset[str]:
    return frozenset() if book.shipped is None else book.shipped.providers


def _moment(text: str | None) -> datetime:
    now = datetime.now(UTC)
    return parse_moment(text, now) or now


def _print_version(version: PriceVersion, rows: list[PriceRow], *, as_json: bool) -> None:
    if as_json:
        print_json({**version_json(version), "rows": len(rows)}, indent=True)
    else:
        stdout().print(f"recorded as {version.name}: {len(rows)} rows", markup=False)


def _print_changes(before: PriceBook, after: PriceBook, *, as_json: bool) -> None:
    found = changes(before, after)
    if as_json:
        print_json([change_json(change) for change in found], indent=True)
    else:
        stdout().print(changes_table(found) if found else "There is no difference.")
