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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long come first, so that processes which share the files of a run end at about the same time."""
    weights: dict[object, int] = {}
    for item in items:
        weights[item.path] = max(weights.get(item.path, 0), _weight(item))
    items.sort(key=lambda item: -weights[item.path])


def _weight(item: pytest.Item) -> int:
    """2 for one that needs more time than usual, 1 for one with services, else 0."""
    if item.get_closest_marker("timeout"):
        return 2
    return int(any(name in ("stack", "own") for name in getattr(item, "fixturenames", ())))
