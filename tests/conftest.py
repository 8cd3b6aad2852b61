"""Fixtures for all tests. None of them starts anything unless a test asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.stack import LiveStack, live_stack
from tests.streams.ledger.calls import begin_anew

PAGES = "tests/web/"

# A busy machine is slow at times; what takes too long is ended by pytest's own limit.
settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")


@pytest.fixture(scope="session")
def stack() -> Iterator[LiveStack]:
    """Kafka and PostgreSQL, started once for each process of a run and shared by all its tests.

    Use topics, tables and ids of your own. A migrated database is `await new_database(stack)`, a copy made in a tenth
    of a second; topics and empty tables in it are `new_ground(stack.kafka, url)`. A file's tests run in one process in
    their order, other files beside them in another. Who keeps a service away starts a stack with `live_stack`.
    """
    with live_stack() as live:
        yield live


@pytest.fixture(scope="module", autouse=True)
def calls_of_this_file(request: pytest.FixtureRequest) -> None:
    """The calls that a file's tests make up are the same, whichever files its process ran before."""
    begin_anew(request.node.nodeid)


class Scheduling(LoadScopeScheduling):
    """A file's tests stay together in one process, and those of the pages all do: they share a browser and a stack."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", 1)[0]
        return PAGES if file.startswith(PAGES) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """How the processes of a run share its tests."""
    return Scheduling(config, log)


@pytest.hookimpl(trylast=True)  # when all marks are there
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What may take long comes first, so that processes which share a run end at about the same time."""
    weights: dict[object, float] = {}
    for item in items:
        weights[item.path] = max(weights.get(item.path, 0), _weight(item))
    items.sort(key=lambda item: -weights[item.path])


def _weight(item: pytest.Item) -> float:
    """Seconds that it is given when they are more than usual; 1 for one with services, else 0."""
    longest = item.get_closest_marker("timeout")
    if longest is not None:
        return float(longest.args[0])
    return int(any(name in ("stack", "own") for name in getattr(item, "fixturenames", ())))
