"""One simulator for all tests that only call it."""

from collections.abc import Iterator

import pytest

from tests.loadtests.simulator.running import RunningSimulator, running_simulator


@pytest.fixture(scope="session")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    with running_simulator(tmp_path_factory.mktemp("simulator") / "bill.jsonl") as running:
        yield running
