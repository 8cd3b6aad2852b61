"""A database made ready: the migrations and the prices that we ship; safe to repeat."""

from pathlib import Path

from observatory.adapters.postgres.migrations import migrate
from observatory.adapters.postgres.pool import open_pool
from observatory.adapters.postgres.prices import record_shipped
from observatory.adapters.prices import SHIPPED_VERSION, shipped_rows


async def set_up(url: str, migrations: Path) -> tuple[list[str], str | None]:
    """The names of the migrations that were applied, and of the price version if it was new.

    Raises `MigrationError`, and one of `pool.TRANSIENT` while the database is away.
    """
    applied = await migrate(url, migrations)
    pool = await open_pool(url, size=1, application="observatory-migrate")
    try:
        imported = await record_shipped(pool, SHIPPED_VERSION, shipped_rows())
    finally:
        await pool.close()
    return applied, None if imported is None else imported.name
