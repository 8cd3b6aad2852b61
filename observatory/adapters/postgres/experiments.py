"""Experiments in the database: created as drafts, changed by adding versions, started, stopped, read.

Every call may raise one of `pool.TRANSIENT` while the database is away.
"""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from asyncpg import Record
from pydantic import ValidationError

from observatory.adapters.postgres.pool import Connection, Pool
from observatory.adapters.postgres.queries import load_queries
from observatory.rules.experiments.definition import check_change, check_definition
from schemas.experiments import Experiment, ExperimentDefinition

log = logging.getLogger(__name__)

_SQL = load_queries(__package__, "experiments.sql")


class ExperimentExists(Exception):
    """The tenant has an experiment of that id; the message names it."""


class NoSuchExperiment(Exception):
    """The tenant has no experiment of that id; the message names it."""


class WrongState(Exception):
    """An experiment in that state cannot be changed so; the message says why and what can be done."""


class Experiments:
    """The statements of `experiments.sql`. Changes raise `NoSuchExperiment`, `WrongState`, `BadExperiment`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def changes(self) -> int:
        """The number of the last change to any experiment."""
        return int(await self._pool.fetchval(_SQL["changes"]))

    async def running(self) -> tuple[int, list[Experiment]]:
        """The number of the last change, and what runs: of each tenant in the order in which it was started.

        One that cannot be read, as a newer version of this program may write it, is left out with a warning.
        """
        rows = await self._pool.fetch(_SQL["running"])
        found = []
        for row in rows:
            if row["experiment_id"] is not None:
                try:
                    found.append(_experiment(row))
                except ValidationError as error:
                    log.warning("experiment %s is left out: %s", row["experiment_id"], error)
        return rows[0]["changes"], found

    async def list(self, tenant_id: str | None = None, experiment_id: str | None = None) -> Sequence[Experiment]:
        """Those of one tenant or of all, in every state, latest first."""
        return [_experiment(row) for row in await self._pool.fetch(_SQL["list"], tenant_id, experiment_id)]

    async def get(self, tenant_id: str, experiment_id: str) -> Experiment:
        """Raises `NoSuchExperiment`."""
        found = await self.list(tenant_id, experiment_id)
        if not found:
            raise _unknown(experiment_id)
        return found[0]

    async def definition(self, tenant_id: str, experiment_id: str, version: int) -> ExperimentDefinition | None:
        """What an experiment was in one of its versions; None when there was none such."""
        text = await self._pool.fetchval(_SQL["definition"], tenant_id, experiment_id, version)
        return None if text is None else _definition(text)

    async def create(self, tenant_id: str, experiment_id: str, definition: ExperimentDefinition) -> Experiment:
        """A draft. Raises `ExperimentExists`, `BadExperiment`."""
        check_definition(definition)
        async with self._pool.acquire() as connection, connection.transaction():
            version = await connection.fetchval(_SQL["create"], tenant_id, experiment_id)
            if version is None:
                raise ExperimentExists(f"there is an experiment {experiment_id!r} already; choose another id")
            await _add(connection, tenant_id, experiment_id, version, definition)
        return await self.get(tenant_id, experiment_id)

    async def change(self, tenant_id: str, experiment_id: str, definition: ExperimentDefinition) -> Experiment:
        """Another version: of a draft anything, of what runs only the shares."""
        async with self._changing(tenant_id, experiment_id) as (connection, now):
            if now.state == "stopped":
                raise WrongState(f"experiment {experiment_id!r} is stopped; create another one")
            if now.state == "draft":
                check_definition(definition)
            else:
                check_change(now.definition, definition)
            if definition != now.definition:
                await _add(connection, tenant_id, experiment_id, now.version + 1, definition)
                await connection.execute(_SQL["set_version"], tenant_id, experiment_id, now.version + 1)
        return await self.get(tenant_id, experiment_id)

    async def start(self, tenant_id: str, experiment_id: str) -> Experiment:
        """Requests get variants from now on, within seconds. Starting what runs changes nothing."""
        async with self._changing(tenant_id, experiment_id) as (connection, now):
            if now.state == "stopped":
                raise WrongState(f"experiment {experiment_id!r} is stopped and cannot start again; create another one")
            if now.state == "draft":
                await connection.execute(_SQL["start"], tenant_id, experiment_id)
        return await self.get(tenant_id, experiment_id)

    async def stop(self, tenant_id: str, experiment_id: str) -> Experiment:
        """No request gets a variant any more; results stay. Stopping what is stopped changes nothing."""
        async with self._changing(tenant_id, experiment_id) as (connection, now):
            if now.state == "draft":
                raise WrongState(f"experiment {experiment_id!r} was never started; a draft can be deleted")
            if now.state == "running":
                await connection.execute(_SQL["stop"], tenant_id, experiment_id)
        return await self.get(tenant_id, experiment_id)

    async def delete(self, tenant_id: str, experiment_id: str) -> None:
        """Removes a draft."""
        async with self._changing(tenant_id, experiment_id) as (connection, now):
            if now.state != "draft":
                raise WrongState(
                    f"experiment {experiment_id!r} is {now.state}: calls are counted under it, so it stays"
                )
            await connection.execute(_SQL["delete"], tenant_id, experiment_id)

    @asynccontextmanager
    async def _changing(self, tenant_id: str, experiment_id: str) -> AsyncIterator[tuple[Connection, Experiment]]:
        """A transaction in which nobody else changes experiments, and how this one stands."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(_SQL["raise_changes"])
            row = await connection.fetchrow(_SQL["list"], tenant_id, experiment_id)
            if row is None:
                raise _unknown(experiment_id)
            yield connection, _experiment(row)


async def _add(
    connection: Connection, tenant_id: str, experiment_id: str, version: int, definition: ExperimentDefinition
) -> None:
    text = definition.model_dump_json(exclude_none=True)
    await connection.execute(_SQL["add_version"], tenant_id, experiment_id, version, text)


def _experiment(row: Record) -> Experiment:
    fields = {name: row[name] for name in Experiment.model_fields if name != "definition"}
    return Experiment(**fields, definition=_definition(row["definition"]))


def _definition(text: str) -> ExperimentDefinition:
    """Fields that a newer version of this program knows are passed over. Raises `ValidationError`."""
    return ExperimentDefinition.model_validate_json(text, extra="ignore")


def _unknown(experiment_id: str) -> NoSuchExperiment:
    return NoSuchExperiment(f"there is no experiment {experiment_id!r}")
