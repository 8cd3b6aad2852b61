"""Keeps our leases: one statement renews all of them every few seconds."""

import asyncio
import logging
import time
from datetime import timedelta

from observatory.adapters.postgres.journal import Journal, RequestKey
from observatory.adapters.postgres.pool import TRANSIENT, describe
from workers.chat.delivery import Lease
from workers.chat.metrics import LOST_LEASES

log = logging.getLogger(__name__)


class Leases:
    """The leases of this worker. One that could not be renewed in time is not acted on any more."""

    def __init__(self, journal: Journal, lease_s: float, renew_s: float) -> None:
        self._journal, self._lease_s, self._renew_s = journal, lease_s, renew_s
        self._held: dict[RequestKey, Lease] = {}

    def __len__(self) -> int:
        return len(self._held)

    @property
    def length(self) -> timedelta:
        """For how long a claim holds."""
        return timedelta(seconds=self._lease_s)

    def hold(self, key: RequestKey, epoch: int, until: float) -> Lease:
        """A lease that the database gave; `until` (monotonic) counts from before it was asked."""
        lease = self._held[key] = Lease(key, epoch, until)
        return lease

    def release(self, lease: Lease) -> None:
        """The request is finished or given up."""
        if self._held.get(lease.key) is lease:
            del self._held[lease.key]

    async def run(self) -> None:
        """Renews until cancelled. While the database is away leases end by themselves."""
        while True:
            await asyncio.sleep(self._renew_s)
            try:
                await self._renew()
            except TRANSIENT as error:
                log.warning("leases not renewed: %s", describe(error))

    async def hand_back_all(self) -> None:
        """Lets other workers take what we could not finish."""
        if self._held:
            await self._journal.hand_back([lease.lease_key for lease in self._held.values()])
            self._held.clear()

    async def _renew(self) -> None:
        leases = list(self._held.values())
        if not leases:
            return
        asked_at = time.monotonic()
        kept = await self._journal.renew([lease.lease_key for lease in leases], self.length)
        for lease in leases:
            if lease.key in kept:
                lease.until = asked_at + self._lease_s
            elif self._held.get(lease.key) is lease and not lease.lost:
                lease.lost = True
                LOST_LEASES.inc()
