"""Fixtures for all tests. None of them starts anything unless a test asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.stack import LiveStack, live_stack


@pytest.fixture(scope="session")
def stack() -> Iterator[LiveStack]:
    """Kafka and PostgreSQL, shared by all tests of a run: use topics, tables and ids of your own."""
    with live_stack() as live:
        yield live
