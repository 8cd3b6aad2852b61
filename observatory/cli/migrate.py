"""`observatory migrate`: database migrations, shipped prices and topics; safe to run again at any time."""

from pathlib import Path

import infra
from observatory.adapters.kafka import create_topics
from observatory.adapters.postgres.migrations import MigrationError
from observatory.adapters.postgres.setup import set_up
from observatory.adapters.settings import Settings
from observatory.cli.options import Json
from observatory.cli.output import print_json, stdout
from observatory.cli.outside import database_problems, kafka_problems, settings
from observatory.cli.problems import Problem

MIGRATIONS = Path(infra.__file__).parent / "migrations"


async def migrate(*, json: Json = False) -> int:
    """Apply database migrations, import the shipped prices and create topics, where they are missing; safe to repeat.

    As in `OBSERVATORY_DATABASE_URL=postgresql://me@db/observatory observatory migrate`
    """
    applied, prices, created = await migrate_all(settings())
    if json:
        print_json({"migrations": applied, "prices": prices, "topics": created})
        return 0
    out = stdout()
    out.print(f"migrations applied: {', '.join(applied) or 'none were missing'}")
    out.print(f"prices imported: {prices or 'none were missing'}")
    out.print(f"topics created: {', '.join(created) or 'none were missing'}")
    return 0


async def migrate_all(config: Settings) -> tuple[list[str], str | None, list[str]]:
    """What was missing: names of migrations, of the shipped prices' version, of topics. Raises `Problem`."""
    try:
        with database_problems(config.database_url):
            applied, prices = await set_up(config.database_url, MIGRATIONS)
    except MigrationError as error:
        raise Problem(f"migration {error}") from error
    with kafka_problems(config.kafka):
        return applied, prices, await create_topics(config.kafka)
