"""Fixtures of the ledger's tests."""

from collections.abc import AsyncIterator

import pytest

from tests.stack import LiveStack
from tests.streams.ledger.ground import Ground, new_ground


@pytest.fixture
async def ground(stack: LiveStack) -> AsyncIterator[Ground]:
    """Topics and a database of this test's own."""
    async with new_ground(stack) as own:
        yield own
