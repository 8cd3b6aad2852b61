"""`observatory experiments`: compare models, parameters and prompts on real traffic, and stop when it is clear."""

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import orjson
from cyclopts import App, Parameter
from pydantic import ValidationError

from observatory.adapters.experiment_views import view_of
from observatory.adapters.kafka import explain
from observatory.adapters.postgres.experiment_results import results_of
from observatory.adapters.postgres.experiments import ExperimentExists, Experiments, NoSuchExperiment, WrongState
from observatory.adapters.postgres.pool import Pool
from observatory.cli.options import Json
from observatory.cli.output import add_row, cell, print_json, stderr, stdout, table
from observatory.cli.outside import database, settings
from observatory.cli.problems import Problem, wrong_usage
from observatory.rules.experiments.definition import BadExperiment
from schemas.experiments import Experiment
from schemas.http_experiments import CreateExperiment, ExperimentResults, VariantView

experiments = App(
    name="experiments",
    help="""Experiments: create, start, stop, and what they have shown.

Workers give each unit (a conversation, a user or a request) one of the variants, which may change model, provider,
parameters and system prompt. Results may be looked at at any time: a verdict is as right at the first look as at the
hundredth.

An experiment is a JSON file:

`{"experiment_id": "mini", "unit": "user", "variants": [{"name": "now"}, {"name": "mini", "overrides": {"model":
"gpt-4o-mini"}}]}`

Some uses:

`observatory experiments create mini.json`

`observatory experiments start mini`

`observatory experiments results mini`

`observatory experiments stop mini`""",
)

ExperimentId = Annotated[str, Parameter(help="The experiment's id.")]
File = Annotated[str, Parameter(allow_leading_hyphen=True, help="A JSON file; '-' is standard input.")]
Tenant = Annotated[str, Parameter(help="Whose experiment it is.")]


@experiments.command
async def create(file: File, /, *, tenant: Tenant = "default", json: Json = False) -> int:
    """Create a draft, which changes no request until it is started."""
    wanted = _read(file)
    async with _store() as (_, store):
        made = await store.create(tenant, wanted.experiment_id, wanted.definition)
    return _done(made, json, f"Experiment {made.experiment_id} is a draft; 'start' lets it change requests.")


@experiments.command
async def change(file: File, /, *, tenant: Tenant = "default", json: Json = False) -> int:
    """Add a version: of a draft anything may change, of what runs only traffic and weights. Results begin anew."""
    wanted = _read(file)
    async with _store() as (_, store):
        made = await store.change(tenant, wanted.experiment_id, wanted.definition)
    return _done(made, json, f"Experiment {made.experiment_id} is at version {made.version}.")


@experiments.command
async def start(experiment_id: ExperimentId, /, *, tenant: Tenant = "default", json: Json = False) -> int:
    """Start a draft: requests get variants within seconds."""
    async with _store() as (_, store):
        made = await store.start(tenant, experiment_id)
    return _done(made, json, f"Experiment {experiment_id} is running.")


@experiments.command
async def stop(experiment_id: ExperimentId, /, *, tenant: Tenant = "default", json: Json = False) -> int:
    """Stop: no request gets a variant any more, the results stay. It cannot be started again."""
    async with _store() as (_, store):
        made = await store.stop(tenant, experiment_id)
    return _done(made, json, f"Experiment {experiment_id} is stopped.")


@experiments.command
async def delete(experiment_id: ExperimentId, /, *, tenant: Tenant = "default") -> int:
    """Remove a draft."""
    async with _store() as (_, store):
        await store.delete(tenant, experiment_id)
    stderr().print(f"The draft {experiment_id} is gone.", markup=False)
    return 0


@experiments.command(name="list")
async def list_experiments(
    *, tenant: Annotated[str | None, Parameter(help="Only those of one tenant.")] = None, json: Json = False
) -> int:
    """List the experiments, latest first."""
    async with _store() as (_, store):
        found = await store.list(tenant)
    if json:
        print_json([experiment.model_dump(mode="json") for experiment in found], indent=True)
    elif not found:
        stdout().print("There are no experiments; 'observatory experiments --help' tells how to make one.")
    else:
        _print_list(found)
    return 0


@experiments.command
async def show(experiment_id: ExperimentId, /, *, tenant: Tenant = "default", json: Json = False) -> int:
    """Show one experiment with its definition."""
    async with _store() as (_, store):
        found = await store.get(tenant, experiment_id)
    if json:
        print_json(found.model_dump(mode="json"), indent=True)
        return 0
    rows = table(["", ""], left=2)
    for name, value in found:
        if name != "definition":
            add_row(rows, name, value)
    for name, value in found.definition.model_dump(mode="json", exclude_defaults=True).items():
        add_row(rows, name, orjson.dumps(value).decode() if isinstance(value, list | dict) else value)
    stdout().print(rows)
    return 0


@experiments.command
async def results(experiment_id: ExperimentId, /, *, tenant: Tenant = "default", json: Json = False) -> int:
    """Show what the current version has shown so far, in figures and in words."""
    async with _store() as (pool, store):
        view = view_of(await results_of(pool, await store.get(tenant, experiment_id)))
    if json:
        print_json(view.model_dump(mode="json"), indent=True)
    else:
        _print_results(view)
    return 0


@asynccontextmanager
async def _store() -> AsyncIterator[tuple[Pool, Experiments]]:
    """The experiments; what they refuse is a `Problem`."""
    async with database(settings().database_url) as pool:
        try:
            yield pool, Experiments(pool)
        except BadExperiment as error:
            raise wrong_usage(str(error)) from error
        except NoSuchExperiment as error:
            raise Problem(f"{error}; 'observatory experiments list' shows all") from error
        except (ExperimentExists, WrongState) as error:
            raise Problem(str(error)) from error


def _read(file: str) -> CreateExperiment:
    """Raises `Problem` for a file that is not there or is no experiment."""
    try:
        text = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise wrong_usage(f"{file}: {error.strerror or error}") from error
    try:
        return CreateExperiment.model_validate_json(text)
    except ValidationError as error:
        raise wrong_usage(f"{file}: {explain(error)}") from error


def _done(experiment: Experiment, json: bool, said: str) -> int:
    if json:
        print_json(experiment.model_dump(mode="json"))
    else:
        stderr().print(said, markup=False)
    return 0


def _print_list(found: Sequence[Experiment]) -> None:
    rows = table(
        ["experiment", "tenant", "state", "unit", "variants", "version", "traffic", "started", "stopped"], left=5
    )
    for experiment in found:
        definition = experiment.definition
        variants = ", ".join(f"{variant.name} {variant.weight}" for variant in definition.variants)
        add_row(
            rows, experiment.experiment_id, experiment.tenant_id, experiment.state, definition.unit, variants,
            experiment.version, f"{definition.traffic * 100:g} %", experiment.started_at, experiment.stopped_at,
        )  # fmt: skip
    stdout().print(rows)


def _print_results(view: ExperimentResults) -> None:
    metrics = view.experiment.definition.metrics
    titles = ["variant", "weight", "units", "requests", "calls", "cost $", *(f"mean {metric}" for metric in metrics)]
    rows = table(titles, left=1)
    for variant in view.variants:
        add_row(
            rows, variant.variant, variant.weight, variant.exposed, variant.requests, variant.calls, variant.cost_usd,
            *_means(variant),
        )  # fmt: skip
    stdout().print(rows)
    for line in view.verdict:
        stdout().print(line, markup=False)
    notes = [f"{view.young_units:,} units are too young to count" if view.young_units else ""]
    notes.append(f"{view.mixed_units:,} had calls in several variants" if view.mixed_units else "")
    notes.append(f"{view.unknown_units:,} are of unknown variants" if view.unknown_units else "")
    until = "not every partition was read yet" if view.watermark is None else f"complete up to {cell(view.watermark)}"
    stderr().print("; ".join([until, *filter(None, notes)]), markup=False)


def _means(variant: VariantView) -> list[str | None]:
    return [None if of.mean is None else f"{of.mean:.4g}" for of in variant.metrics]
