"""Fixtures of the stream processors' tests."""

from collections.abc import AsyncIterator

import pytest

from tests.stack import LiveStack
from tests.streams.engine.ground import StreamGround
from tests.streams.ledger.ground import new_database, new_ground


@pytest.fixture(scope="package")
async def database_url(stack: LiveStack) -> str:
    """A migrated database for the tests of this folder."""
    return await new_database(stack)


@pytest.fixture
async def ground(stack: LiveStack, database_url: str) -> AsyncIterator[StreamGround]:
    """Topics of this test's own and empty tables."""
    async with new_ground(stack.kafka, database_url) as own:
        await own.pool.execute(
            "TRUNCATE streams.windows, streams.recent_calls, streams.cursors, streams.traces, ledger.spans"
        )
        yield StreamGround(own.settings, own.pool)
