"""`observatory streams`: the stateful processors: how far they are, whether their states are right, made anew."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated

from aiokafka import AIOKafkaConsumer
from cyclopts import App, Parameter

from observatory.adapters.kafka import new_consumer
from observatory.adapters.postgres import streams as tables
from observatory.adapters.postgres.streams import FoldRow
from observatory.adapters.settings import Settings
from observatory.cli.options import Json
from observatory.cli.output import add_row, print_json, stdout, table
from observatory.cli.outside import database, kafka_problems, settings
from observatory.cli.problems import FAILED, Problem, wrong_usage
from streams.engine.comparison import FoldComparison, compare
from streams.engine.rebuilding import NothingToRebuild, rebuild
from streams.engine.replay import ReplayTimeout
from streams.engine.states import AnyFold, in_order, root_of
from streams.folds.catalogue import FOLDS

streams = App(
    name="streams",
    help="""The stateful processors of `streams.app`, each a fold over topics.

Their states are in PostgreSQL, in `streams.<name>`, one for each key and partition.

Some uses:

`observatory streams list`

`observatory streams shadow conversations`

`observatory streams rebuild conversations`""",
)

Name = Annotated[str, Parameter(help="A processor, as `observatory streams list` names it.")]


@streams.command(name="list")
async def list_streams(*, json: Json = False) -> int:
    """List the processors: what they read, how many states they keep, how far they are."""
    async with database(settings().database_url) as pool:
        rows = {r.fold: r for r in await tables.fold_rows(pool, [(f.name, f.sink) for f in FOLDS if f.inputs])}
        states = {fold.name: await tables.count_states(pool, fold.name) for fold in FOLDS}
    found = [_described(fold, rows[_roots()[fold.name].name], states[fold.name]) for fold in in_order(FOLDS)]
    if json:
        print_json(found, indent=True)
        return 0
    shown = table(["processor", "reads", "complete up to", "version", "states", "records"], left=3)
    for row in found:
        add_row(shown, row["name"], row["reads"], row["complete_until"], row["version"], row["states"], row["records"])
    stdout().print(shown)
    return 0


@streams.command(name="rebuild")
async def rebuild_one(name: Name, *, json: Json = False) -> int:
    """Make the states of a processor anew from its topics, beside the running workers, and replace the old ones.

    What the broker no longer holds is gone from the states afterwards. Those derived from it are made anew too.
    """
    family = _family(name)
    config = settings()
    async with _ground(config) as consumer, database(config.database_url) as pool:
        try:
            made = await rebuild(pool, consumer, config.kafka.topic_prefix, family, "observatory streams rebuild")
        except NothingToRebuild as error:
            raise Problem(f"{name}: no worker has read anything for it yet") from error
        except ReplayTimeout as error:
            raise Problem(str(error)) from error
    if json:
        print_json(made)
    else:
        for fold, count in made.items():
            stdout().print(f"{fold}: {count:,} states made anew")
    return 0


@streams.command
async def shadow(
    name: Annotated[str | None, Parameter(help="A processor; all of them by default.")] = None,
    *,
    json: Json = False,
) -> int:
    """Run this version of a processor once over its topics, in memory, and compare with the states that are stored.

    The workers may be of another version and go on meanwhile: what they stored is compared at the offsets that it was
    stored with, so what differs is what the versions make of the same events. The exit code is 1 when a state differs.
    """
    config = settings()
    found = await compared(config, FOLDS if name is None else _family(name))
    if json:
        print_json([as_json(one) for one in found], indent=True)
    else:
        show(found)
    return 0 if all(one.ok for one in found) else FAILED


async def compared(config: Settings, folds: Sequence[AnyFold] = FOLDS) -> list[FoldComparison]:
    """Stored states against the folds run once over the topics. Raises `Problem`."""
    async with _ground(config) as consumer, database(config.database_url) as pool:
        try:
            return await compare(pool, consumer, config.kafka.topic_prefix, folds)
        except ReplayTimeout as error:
            raise Problem(str(error)) from error


def as_json(one: FoldComparison) -> dict[str, object]:
    """A comparison as a JSON object."""
    return {
        "name": one.fold, "ok": one.ok, "states": one.states, "equal": one.equal, "different": one.different,
        "older_than_the_log": one.older,
        "examples": [
            {"part": d.part, "key": d.key, "stored": d.stored or None, "replayed": d.replayed or None}
            for d in one.examples
        ],
    }  # fmt: skip


def show(found: Sequence[FoldComparison]) -> None:
    """Prints comparisons and the first differences."""
    out = stdout()
    rows = table(["processor", "states", "as replayed", "different", "older than the log"])
    for one in found:
        add_row(rows, one.fold, one.states, one.equal, one.different, one.older, style=None if one.ok else "red")
    out.print(rows)
    for one in found:
        for difference in one.examples:
            out.print(f"{one.fold} {difference.part}/{difference.key!r}", markup=False)
            out.print(f"  stored   {difference.stored or '–'}", markup=False)
            out.print(f"  replayed {difference.replayed or '–'}", markup=False)


def _roots() -> dict[str, AnyFold]:
    by_name = {fold.name: fold for fold in FOLDS}
    return {fold.name: root_of(fold, by_name) for fold in FOLDS}


def _family(name: str) -> list[AnyFold]:
    """A processor with all that stands and falls with it: those it derives to, and the one that derives to it."""
    roots = _roots()
    if name not in roots:
        raise wrong_usage(f"there is no processor {name!r}; there are {', '.join(sorted(roots))}")
    return in_order(fold for fold in FOLDS if roots[fold.name] is roots[name])


def _described(fold: AnyFold, row: FoldRow, states: int) -> dict[str, object]:
    reads = ", ".join(topic.name for topic in fold.inputs) or f"what {fold.parent} derives"
    return {
        "name": fold.name, "reads": reads, "version": fold.version, "states": states, "records": row.records,
        "complete_until": row.complete_until,
    }  # fmt: skip


@asynccontextmanager
async def _ground(config: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    with kafka_problems(config.kafka):
        consumer = new_consumer(config.kafka, "observatory-cli")
        try:
            await consumer.start()
            yield consumer
        finally:
            await consumer.stop()
