"""The experiments of a running process: read once, then followed as they change.

Which variant a request gets is decided on the hot path, so it is decided by a snapshot in memory; a change is seen
within seconds. While the database is away the known ones go on.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Sequence

from observatory.adapters.postgres.experiments import Experiments
from observatory.adapters.postgres.pool import TRANSIENT, describe, insist
from schemas.experiments import Experiment, ExperimentDefinition

log = logging.getLogger(__name__)

REFRESH_S = 2.0
REMEMBERED = 256
"""Definitions that run no more and are kept at hand for requests that were assigned under them."""

_Version = tuple[str, str, int]


class LiveExperiments:
    """What runs now, by tenant; and what any version of an experiment was."""

    def __init__(self, experiments: Experiments) -> None:
        self._experiments = experiments
        self._changes = -1
        self._running: dict[str, tuple[Experiment, ...]] = {}
        self._definitions: dict[_Version, ExperimentDefinition] = {}
        self._earlier: OrderedDict[_Version, ExperimentDefinition | None] = OrderedDict()

    def of(self, tenant_id: str) -> Sequence[Experiment]:
        """What runs for a tenant, in the order in which it was started."""
        return self._running.get(tenant_id, ())

    async def definition(self, tenant_id: str, experiment_id: str, version: int) -> ExperimentDefinition | None:
        """What an experiment was in one of its versions, running or not. Waits for the database where it must ask."""
        named = (tenant_id, experiment_id, version)
        if (running := self.known(*named)) is not None:
            return running
        if named not in self._earlier:
            self._earlier[named] = await insist("experiment", lambda: self._experiments.definition(*named))
            if len(self._earlier) > REMEMBERED:
                self._earlier.popitem(last=False)
        return self._earlier[named]

    def known(self, tenant_id: str, experiment_id: str, version: int) -> ExperimentDefinition | None:
        """The same where it runs now; else None."""
        return self._definitions.get((tenant_id, experiment_id, version))

    async def refresh(self) -> bool:
        """Reads what runs if anything changed; whether it did. Raises one of `TRANSIENT`."""
        if await self._experiments.changes() == self._changes:
            return False
        self._changes, running = await self._experiments.running()
        by_tenant: dict[str, list[Experiment]] = {}
        for experiment in running:
            by_tenant.setdefault(experiment.tenant_id, []).append(experiment)
        self._running = {tenant: tuple(found) for tenant, found in by_tenant.items()}
        self._definitions = {(e.tenant_id, e.experiment_id, e.version): e.definition for e in running}
        log.info("experiments", extra={"running": len(running)})
        return True

    async def follow(self) -> None:
        """Refreshes every few seconds until cancelled."""
        while True:
            await asyncio.sleep(REFRESH_S)
            try:
                await self.refresh()
            except TRANSIENT as error:
                log.warning("experiments: the database is away (%s); the known ones go on", describe(error))
