"""`/api/v1/prices/…`: the price book: look at it, add to it, see what a version changed.

A key sees the prices that are for everybody and those of its tenant, and records prices for its tenant only. Where no
key is needed, all can be seen and recorded.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import AfterValidator

from observatory.adapters.postgres.prices import NoPrices, read_news, record
from observatory.rules.limits import MAX_PAGE
from observatory.rules.own_prices import RecordedRow
from observatory.rules.periods import YEARS
from observatory.rules.price_book import PriceBook, Source, UnknownPriceVersion
from observatory.rules.price_checks import problems_in
from observatory.rules.price_files import Format, PriceFileError, parse_price_file
from observatory.rules.price_rows import PriceRow
from observatory.rules.price_views import changes, history, valid_rows
from observatory.rules.pricing import PriceQuery
from schemas.base import Name, Time
from schemas.prices import (
    Note,
    PriceDiff,
    PriceHistory,
    PriceInForce,
    PricePage,
    PriceVersions,
    PriceVersionView,
    SetPrices,
)
from workers.gateway.access import Access
from workers.gateway.api_bodies import (
    Asker,
    body_of,
    decode_cursor,
    described,
    encode_cursor,
    headers_of,
    number_in,
    time_in,
)
from workers.gateway.bodies import read_body
from workers.gateway.database import Database
from workers.gateway.price_bodies import change_view, in_force, recorded_price, row_of, version_view
from workers.gateway.refusals import Refusal, not_available, not_found

MAX_SHOWN_PROBLEMS = 1_000
_FORMATS: dict[bytes, Format] = {
    b"text/csv": "csv",
    b"application/jsonl": "jsonl",
    b"application/x-ndjson": "jsonl",
}
_FILE_BODY: dict[str, object] = {
    "requestBody": {
        "required": True,
        "description": "A price file as `observatory prices import --help` describes it: CSV or JSON Lines.",
        "content": {name.decode(): {"schema": {"type": "string"}} for name in _FORMATS},
    }
}

Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]


def _in_years(moment: datetime) -> datetime:
    if moment.year not in YEARS:
        raise ValueError(f"years from {YEARS.start} to {YEARS.stop - 1}")
    return moment


At = Annotated[Annotated[Time, AfterValidator(_in_years)] | None, Query(description="At which moment; else now.")]
AsOf = Annotated[str | None, Query(description="With what was known with this version, as `book/7` or `7`; else all.")]
Provider = Annotated[Name, Query(description="The price table: `openai`, `azure`, `anthropic`, …")]
Model = Annotated[Name, Query(description="The model, by any of its names.")]


class PriceDesk:
    """The newest book, and what may be done with it by whom."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._book = PriceBook([], [])
        self._reading = asyncio.Lock()

    async def book(self, as_of: str | None = None) -> PriceBook:
        """Raises `Refusal`: 503 while the database is away, 404 for an unknown version."""
        async with self._reading:
            known = self._book
            try:
                news = await self._database.run_or_refuse(lambda pool: read_news(pool, known.version))
            except NoPrices as error:
                raise not_available(str(error)) from error
            book = self._book = await news.on(known)
        if as_of is None:
            return book
        try:
            return book.as_of(book.version_named(as_of).version)
        except UnknownPriceVersion as error:
            raise not_found(f"{error}; GET /api/v1/prices/versions lists them") from error

    async def record(self, access: Access, source: Source, rows: Sequence[PriceRow], note: str) -> PriceVersionView:
        """Adds rows that were checked. Raises `Refusal` 403 for those of others."""
        strange = next((row for row in rows if not _may_record(access, row)), None)
        if strange is not None:
            message = f"this API key records prices for the tenant {access.tenant_id!r} only, not for {strange.key}"
            raise Refusal(403, "not_allowed", message, final=True)
        version = await self._database.run_or_refuse(lambda pool: record(pool, source, rows, note))
        return version_view(version, len(rows))

    async def tables(self) -> frozenset[str]:
        """Whose prices the shipped list holds."""
        shipped = (await self.book()).shipped
        return frozenset() if shipped is None else shipped.providers


def _may_see(access: Access, tenant_id: str | None) -> bool:
    return access.api_key_id is None or tenant_id in (None, access.tenant_id)


def _may_record(access: Access, row: PriceRow) -> bool:
    return access.api_key_id is None or row.tenant_id == access.tenant_id


def _own_tenant(access: Access, tenant_id: str | None) -> str | None:
    if access.api_key_id is not None and tenant_id is None:
        return access.tenant_id
    if not _may_see(access, tenant_id):
        raise Refusal(403, "not_allowed", f"this API key is not one of the tenant {tenant_id!r}", final=True)
    return tenant_id


def _checked(body: SetPrices, tables: frozenset[str]) -> list[PriceRow]:
    """Raises `Refusal` 422 with everything that is wrong."""
    rows = [row_of(price) for price in body.prices]
    errors: list[dict[str, str | int]] = []
    for position, row in enumerate(rows):
        if row.provider not in tables:
            detail = f"there is no price table {row.provider!r} (openai, azure, anthropic, …)"
            errors.append({"pointer": f"/prices/{position}/provider", "detail": detail})
    for problem in problems_in(rows):
        also = "" if problem.other is None else f": see /prices/{problem.other}"
        errors.append({"pointer": f"/prices/{problem.position}", "detail": problem.message + also})
    if errors:
        first = f"{errors[0]['pointer']}: {errors[0]['detail']}"
        raise Refusal(422, "invalid_body", first, final=True, errors=errors)
    return rows


async def _file(request: Request, _: Asker) -> tuple[Format, bytes]:
    headers = headers_of(request)
    content_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    form = _FORMATS.get(content_type)
    if form is None:
        message = "send a price file with 'content-type: text/csv' or 'content-type: application/x-ndjson'"
        raise Refusal(415, "unsupported_media_type", message, final=True)
    return form, await read_body(headers, request.receive)


def _parsed(form: Format, data: bytes, tables: frozenset[str]) -> list[PriceRow]:
    """Raises `Refusal` 422 with the line of everything that is wrong, the first thousand of it."""
    try:
        return parse_price_file(data, form, tables)
    except PriceFileError as error:
        errors: list[dict[str, str | int]] = [
            {"line": problem.line, "detail": problem.message} for problem in error.problems[:MAX_SHOWN_PROBLEMS]
        ]
        first = f"line {error.problems[0].line}: {error.problems[0].message}"
        raise Refusal(422, "invalid_price_file", first, final=True, errors=errors) from error


async def _diff(access: Access, before: PriceBook, after: PriceBook) -> PriceDiff:
    found = await asyncio.to_thread(changes, before, after)
    return PriceDiff(changes=[change_view(change) for change in found if _may_see(access, change.key.tenant_id)])


def _page(book: PriceBook, found: Sequence[RecordedRow], start: int, limit: int, at: datetime) -> PricePage:
    following = None
    if start + limit < len(found):
        following = encode_cursor(str(book.version), at.isoformat(), str(start + limit))
    return PricePage(prices=[recorded_price(book, one) for one in found[start : start + limit]], next_cursor=following)


def prices_router(desk: PriceDesk) -> APIRouter:
    """The endpoints."""
    router = APIRouter(prefix="/api/v1/prices", tags=["prices"])
    set_body = Annotated[SetPrices, Depends(body_of(SetPrices))]
    file_body = Annotated[tuple[Format, bytes], Depends(_file)]

    @router.get("")
    async def page(
        access: Asker,
        provider: Name | None = None,
        model: Annotated[str | None, Query(description="Only models with this in their name.")] = None,
        source: Literal["own", "shipped", "all"] = "all",
        at: At = None,
        as_of: AsOf = None,
        cursor: str | None = None,
        limit: Limit = MAX_PAGE,
    ) -> PricePage:
        """Lists the prices that are valid: our own first, then the shipped list's."""
        moment, start = at or datetime.now(UTC), 0
        if cursor is not None:
            as_of, asked_at, offset = decode_cursor(cursor, 3)
            moment, start = time_in(asked_at), number_in(offset)
        book = await desk.book(as_of)
        shipped = {version.version for version in book.versions if version.source == "shipped"}
        found = [
            one
            for one in valid_rows(book, moment)
            if _may_see(access, one.row.tenant_id)
            and provider in (None, one.row.provider)
            and (model is None or model.lower() in (one.row.model or "").lower())
            and (source == "all" or (source == "shipped") == (one.version in shipped))
        ]
        return _page(book, found, start, limit, moment)

    @router.post("", status_code=201, openapi_extra=described(SetPrices))
    async def set_prices(access: Asker, body: set_body) -> PriceVersionView:
        """Records prices as a new version. No call that was costed before changes by it."""
        return await desk.record(access, "set", _checked(body, await desk.tables()), body.note)

    @router.post("/import", status_code=201, openapi_extra=_FILE_BODY)
    async def import_prices(access: Asker, file: file_body, note: Note = "") -> PriceVersionView:
        """Records a file of prices as one new version, or refuses it whole with the line of everything wrong."""
        form, data = file
        tables = await desk.tables()
        rows = await asyncio.to_thread(_parsed, form, data, tables)
        return await desk.record(access, "import", rows, note)

    @router.post("/import/preview", openapi_extra=_FILE_BODY)
    async def preview(access: Asker, file: file_body) -> PriceDiff:
        """What a file of prices would change; records nothing."""
        form, data = file
        tables = await desk.tables()
        rows = await asyncio.to_thread(_parsed, form, data, tables)
        book = await desk.book()
        return await _diff(access, book, book.with_overrides(rows))

    @router.get("/show")
    async def show(
        access: Asker,
        provider: Provider,
        model: Model,
        tenant_id: Name | None = None,
        region: Name | None = None,
        deployment: Name | None = None,
        service_tier: Name | None = None,
        at: At = None,
        as_of: AsOf = None,
    ) -> PriceInForce:
        """What a call costs, bucket by bucket, and which version says so; 404 when no price is known."""
        query = PriceQuery(
            kind=provider,
            model=model,
            at=at or datetime.now(UTC),
            service_tier=service_tier,
            tenant_id=_own_tenant(access, tenant_id),
            region=region,
            deployment=deployment,
        )
        found = (await desk.book(as_of)).rates(query)
        if found is None:
            raise not_found(f"no price is known for {provider}/{model}", "no_price")
        return in_force(found)

    @router.get("/history")
    async def show_history(access: Asker, provider: Provider, model: Model) -> PriceHistory:
        """Everything that was ever recorded for a model, by version."""
        book = await desk.book()
        found = [one for one in history(book, provider, model) if _may_see(access, one.row.tenant_id)]
        return PriceHistory(prices=[recorded_price(book, one) for one in found])

    @router.get("/versions")
    async def versions(_: Asker) -> PriceVersions:
        """The versions of the book, by number."""
        return PriceVersions(versions=[version_view(version) for version in (await desk.book()).versions])

    @router.get("/diff")
    async def diff(
        access: Asker,
        before: Annotated[str, Query(description="A version, as `book/6` or `6`.")],
        after: Annotated[str | None, Query(description="A later version; else the newest.")] = None,
    ) -> PriceDiff:
        """Where two versions of the book have different prices: for what, from when to when, before and after."""
        return await _diff(access, await desk.book(before), await desk.book(after))

    return router
