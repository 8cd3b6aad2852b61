"""The way to the outside for commands: settings, Kafka, PostgreSQL; what fails there is a `Problem` with a remedy."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError, UnknownTopicOrPartitionError

from observatory.adapters.following import NoSuchTopic
from observatory.adapters.kafka import Publisher
from observatory.adapters.postgres.pool import TRANSIENT, Pool, describe, open_pool
from observatory.adapters.postgres.prices import NoPrices
from observatory.adapters.settings import KafkaSettings, Settings, SettingsError, load_settings
from observatory.cli.problems import Problem, wrong_usage

START = "'observatory status' shows what runs, 'observatory up' starts it"
_NO_TABLES = (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError)


def settings() -> Settings:
    """The settings. Raises `Problem` (exit code 2) with a line for each bad one."""
    try:
        return load_settings()
    except SettingsError as error:
        raise wrong_usage(f"settings: {error}") from error


@contextmanager
def kafka_problems(kafka: KafkaSettings) -> Iterator[None]:
    """Turns what Kafka's client raises within into a `Problem`."""
    try:
        yield
    except NoSuchTopic as error:
        raise Problem(str(error)) from error
    except (UnknownTopicOrPartitionError, TopicAuthorizationFailedError) as error:
        raise Problem(f"Kafka at {kafka.bootstrap}: {describe(error)}; 'observatory migrate' creates topics") from error
    except KafkaError as error:
        place = f"Kafka at {kafka.bootstrap} (OBSERVATORY_KAFKA)"
        raise Problem(f"{place} {_silent(kafka)}: {describe(error)}; {START}") from error


def _silent(kafka: KafkaSettings) -> str:
    """What a broker does that lets us not in: Kafka's client tells a wrong password as a broker that is away."""
    if kafka.security_protocol == "PLAINTEXT":
        return "does not answer"
    user = f" as {kafka.sasl_username!r}" if "SASL" in kafka.security_protocol else ""
    return f"does not answer, or refuses us ({kafka.security_protocol}{user})"


@contextmanager
def database_problems(url: str) -> Iterator[None]:
    """Turns what PostgreSQL's client raises within into a `Problem`; what is not about the database passes."""
    place = f"PostgreSQL at {without_password(url)} (OBSERVATORY_DATABASE_URL)"
    try:
        yield
    except NoPrices as error:
        raise Problem(f"{place}: {error}") from error
    except _NO_TABLES as error:
        raise Problem(f"{place}: {describe(error)}; 'observatory migrate' creates the tables") from error
    except TRANSIENT as error:
        raise Problem(f"{place} does not answer: {describe(error)}; {START}") from error
    except asyncpg.DataError as error:
        raise wrong_usage(f"{place} has no place for a value that was given: {describe(error)}") from error
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        raise Problem(f"{place} refuses us: {describe(error)}") from error
    except asyncpg.InvalidCatalogNameError as error:
        raise Problem(f"{place}: {describe(error)}; create it or correct the URL") from error


@asynccontextmanager
async def database(url: str, *, size: int = 2) -> AsyncIterator[Pool]:
    """A pool of connections for one command. Raises `Problem` when the database is away or goes away."""
    with database_problems(url):
        pool = await open_pool(url, size=size, application="observatory-cli")
        try:
            yield pool
        finally:
            await pool.close()


@asynccontextmanager
async def publisher(kafka: KafkaSettings) -> AsyncIterator[Publisher]:
    """A started publisher; what is buffered is sent at the end. Raises `Problem` when the broker is away."""
    with kafka_problems(kafka):
        result = Publisher(kafka, "observatory-cli", linger_ms=2)
        try:
            await result.start()
            yield result
        finally:
            await result.stop()


def without_password(url: str) -> str:
    """The address without its password, to be shown."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username}:…@{host}"))
