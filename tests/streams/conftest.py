"""Fixtures of the stream processors' tests."""

from collections.abc import AsyncIterator

import pytest

from streams import app
from streams.folds.catalogue import FOLDS
from streams.ledger import progress
from tests.stack import LiveStack
from tests.streams.engine.ground import StreamGround
from tests.streams.ledger.ground import new_database, new_ground

TOO_LONG_S = 600.0
"""Longer than any test may take: pytest ends it first, and says which."""


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger or stream worker that is stuck ends its process, which is pytest's where it runs as a task."""
    monkeypatch.setattr(progress, "STUCK_S", TOO_LONG_S)
    monkeypatch.setattr(app, "STUCK_S", TOO_LONG_S)


@pytest.fixture(scope="package")
async def database_url(stack: LiveStack) -> str:
    """A migrated database for the tests of this folder."""
    return await new_database(stack)


@pytest.fixture
async def ground(stack: LiveStack, database_url: str) -> AsyncIterator[StreamGround]:
    """Topics of this test's own and empty tables."""
    async with new_ground(stack.kafka, database_url) as own:
        folds = ", ".join(f"streams.{fold.name}" for fold in FOLDS)
        await own.pool.execute(f"TRUNCATE streams.cursors, ledger.spans, {folds}")
        yield StreamGround(own.settings, own.pool)
