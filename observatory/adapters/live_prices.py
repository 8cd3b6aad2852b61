"""The price book of a running process: read once, then followed as it grows.

Prices are asked on the hot path, so they are asked of a snapshot in memory; a new version is seen within seconds. While
the database is away the known prices go on.
"""

import asyncio
import logging
from decimal import Decimal

from observatory.adapters.postgres.pool import TRANSIENT, Pool, describe
from observatory.adapters.postgres.prices import load_book, newest_version
from observatory.rules.price_book import PriceBook
from observatory.rules.pricing import PriceQuery, Rates
from observatory.rules.usage import StoredUsage
from schemas.calls import Usage

log = logging.getLogger(__name__)

REFRESH_S = 2.0


class LivePrices:
    """The newest snapshot of the book; asked as the book itself."""

    def __init__(self, pool: Pool, book: PriceBook) -> None:
        self._pool = pool
        self.book = book

    @classmethod
    async def load(cls, pool: Pool) -> "LivePrices":
        """Raises `NoPrices`, and one of `TRANSIENT` while the database is away."""
        return cls(pool, await load_book(pool))

    def rates(self, query: PriceQuery) -> tuple[Rates, str] | None:
        """As `PriceBook.rates`."""
        return self.book.rates(query)

    def cost(self, query: PriceQuery, usage: Usage | StoredUsage) -> tuple[Decimal, str] | None:
        """As `PriceBook.cost`."""
        return self.book.cost(query, usage)

    async def refresh(self) -> bool:
        """Reads what is new; whether there was something."""
        if await newest_version(self._pool) == self.book.version:
            return False
        self.book = await load_book(self._pool, self.book)
        log.info("prices", extra={"version": self.book.version})
        return True

    async def follow(self) -> None:
        """Refreshes every few seconds until cancelled."""
        while True:
            await asyncio.sleep(REFRESH_S)
            try:
                await self.refresh()
            except TRANSIENT as error:
                log.warning("prices: the database is away (%s); the known ones go on", describe(error))
