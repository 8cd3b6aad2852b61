"""`/api/v1/experiments`: what is compared for the tenant of the key, from draft to end. A key sees its own tenant's."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response

from observatory.adapters.postgres.experiments import ExperimentExists, Experiments, NoSuchExperiment, WrongState
from observatory.rules.experiments.definition import BadExperiment
from schemas.base import MAX_NAME_LENGTH
from schemas.experiments import Experiment
from schemas.http_experiments import ChangeExperiment, CreateExperiment, ExperimentList
from workers.gateway.api_bodies import Asker, body_of, described
from workers.gateway.database import Database, T
from workers.gateway.refusals import Refusal, invalid, not_found

ExperimentId = Annotated[str, Path(min_length=1, max_length=MAX_NAME_LENGTH, pattern=r"^[^\x00]*$")]


def experiments_router(database: Database) -> APIRouter:
    """The endpoints."""
    router = APIRouter(prefix="/api/v1/experiments", tags=["experiments"])
    create_body = Annotated[CreateExperiment, Depends(body_of(CreateExperiment))]
    change_body = Annotated[ChangeExperiment, Depends(body_of(ChangeExperiment))]

    @router.get("")
    async def page(access: Asker) -> ExperimentList:
        """The tenant's experiments in every state, latest first."""
        found = await run(database, lambda store: store.list(access.tenant_id))
        return ExperimentList(experiments=list(found))

    @router.post("", status_code=201, openapi_extra=described(CreateExperiment))
    async def create(access: Asker, body: create_body) -> Experiment:
        """Creates a draft, which changes no request until it is started."""
        return await run(database, lambda store: store.create(access.tenant_id, body.experiment_id, body.definition))

    @router.get("/{experiment_id}")
    async def get(access: Asker, experiment_id: ExperimentId) -> Experiment:
        """One experiment."""
        return await run(database, lambda store: store.get(access.tenant_id, experiment_id))

    @router.put("/{experiment_id}", openapi_extra=described(ChangeExperiment))
    async def change(access: Asker, experiment_id: ExperimentId, body: change_body) -> Experiment:
        """Adds a version: of a draft anything may change, of what runs only traffic and weights. Results begin anew."""
        return await run(database, lambda store: store.change(access.tenant_id, experiment_id, body.definition))

    @router.post("/{experiment_id}/start")
    async def start(access: Asker, experiment_id: ExperimentId) -> Experiment:
        """Requests get variants within seconds."""
        return await run(database, lambda store: store.start(access.tenant_id, experiment_id))

    @router.post("/{experiment_id}/stop")
    async def stop(access: Asker, experiment_id: ExperimentId) -> Experiment:
        """No request gets a variant any more; the results stay. It cannot be started again."""
        return await run(database, lambda store: store.stop(access.tenant_id, experiment_id))

    @router.delete("/{experiment_id}", status_code=204, response_class=Response)
    async def delete(access: Asker, experiment_id: ExperimentId) -> None:
        """Removes a draft."""
        await run(database, lambda store: store.delete(access.tenant_id, experiment_id))

    return router


async def run(database: Database, question: Callable[[Experiments], Awaitable[T]]) -> T:
    """Asks or changes. Raises `Refusal` 400 for what cannot be, 404, 409, 503 while the database is away."""
    try:
        return await database.run_or_refuse(lambda pool: question(Experiments(pool)))
    except BadExperiment as error:
        raise invalid(str(error), "body") from error
    except NoSuchExperiment as error:
        raise not_found(str(error)) from error
    except ExperimentExists as error:
        raise Refusal(409, "experiment_exists", str(error), final=True) from error
    except WrongState as error:
        raise Refusal(409, "experiment_state", str(error), final=True) from error
