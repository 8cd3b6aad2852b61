"""Removes states that nothing has changed for as long as their fold keeps them."""

import asyncio
import logging
from collections.abc import Sequence

from observatory.adapters.postgres.pool import TRANSIENT, Pool, describe
from observatory.adapters.postgres.streams import delete_untouched
from streams.engine.states import AnyFold

log = logging.getLogger(__name__)

EVERY_S = 300.0
MOST = 20_000


async def keep_clean(pool: Pool, folds: Sequence[AnyFold]) -> None:
    """Cleans every few minutes, for ever; ends by being cancelled."""
    while True:
        await asyncio.sleep(EVERY_S)
        for fold in folds:
            try:
                while await delete_untouched(pool, fold.name, fold.keep, MOST) == MOST:  # noqa: ASYNC110
                    await asyncio.sleep(0)
            except TRANSIENT as error:
                log.info("%s not cleaned, again later: %s", fold.name, describe(error))
