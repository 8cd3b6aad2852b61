"""Fixtures of the ledger's tests."""

from collections.abc import AsyncIterator

import pytest

from tests.databases import new_database
from tests.stack import LiveStack
from tests.streams.ledger.ground import Ground, new_ground


@pytest.fixture(scope="package")
async def database_url(stack: LiveStack) -> str:
    """A migrated database for the tests of this folder."""
    return await new_database(stack)


@pytest.fixture
async def ground(stack: LiveStack, database_url: str) -> AsyncIterator[Ground]:
    """Topics of this test's own and empty tables."""
    async with new_ground(stack.kafka, database_url) as own:
        yield own
