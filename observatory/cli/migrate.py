"""`observatory migrate`: database migrations and topics; safe to run again at any time."""

from pathlib import Path

import infra
from observatory.adapters.kafka import create_topics
from observatory.adapters.postgres.migrations import MigrationError
from observatory.adapters.postgres.migrations import migrate as migrate_database
from observatory.adapters.settings import Settings
from observatory.cli.options import Json
from observatory.cli.output import print_json, stdout
from observatory.cli.outside import database_problems, kafka_problems, settings
from observatory.cli.problems import Problem

MIGRATIONS = Path(infra.__file__).parent / "migrations"


async def migrate(*, json: Json = False) -> int:
    """Apply database migrations and create topics that do not exist; safe to repeat.

    As in `OBSERVATORY_DATABASE_URL=postgresql://me@db/observatory observatory migrate`
    """
    applied, created = await migrate_all(settings())
    if json:
        print_json({"migrations": applied, "topics": created})
        return 0
    out = stdout()
    out.print(f"migrations applied: {', '.join(applied) or 'none were missing'}")
    out.print(f"topics created: {', '.join(created) or 'none were missing'}")
    return 0


async def migrate_all(config: Settings) -> tuple[list[str], list[str]]:
    """Names of the migrations that were applied and of the topics that were created. Raises `Problem`."""
    try:
        with database_problems(config.database_url):
            applied = await migrate_database(config.database_url, MIGRATIONS)
    except MigrationError as error:
        raise Problem(f"migration {error}") from error
    with kafka_problems(config.kafka):
        return applied, await create_topics(config.kafka)
