"""Fixtures for all tests. None of them starts anything unless a test asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.stack import LiveStack, live_stack

# A busy machine is slow at times; what takes too long is ended by pytest's own limit.
settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")


@pytest.fixture(scope="session")
def stack() -> Iterator[LiveStack]:
    """Kafka and PostgreSQL, shared by all tests of a run: use topics, tables and ids of your own."""
    with live_stack() as live:
        yield live
