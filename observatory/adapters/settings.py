"""Settings from the environment. A missing or bad one is one clear line at start, never a traceback.

The providers' own names are kept (`OPENAI_API_KEY`, …); ours begin with `OBSERVATORY_`.
"""

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

Port = Annotated[int, Field(ge=1, le=65535)]
MOST_PROCESSES = 256
Count = Annotated[int, Field(ge=0, le=MOST_PROCESSES)]
Seconds = Annotated[float, Field(gt=0)]

NATIVE_SIMULATOR_URL = "http://127.0.0.1:8090"


class SettingsError(Exception):
    """A setting is missing or bad; the message names it and says what is wrong."""


def native_kafka_port() -> int:
    """Where the native stack's broker listens; its controller takes the port after it. Raises `SettingsError`."""
    return _port("OBSERVATORY_KAFKA_PORT", 9092, highest=65534)


def native_postgres_port() -> int:
    """Where the native stack's database listens. Raises `SettingsError`."""
    return _port("OBSERVATORY_POSTGRES_PORT", 5433, highest=65535)


def _port(variable: str, default: int, highest: int) -> int:
    text = os.environ.get(variable, str(default))
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= highest):
        raise SettingsError(f"{variable}: a port from 1 to {highest}, not {text[:40]!r}")
    return int(text)


def _native_kafka() -> str:
    return f"127.0.0.1:{native_kafka_port()}"


def _native_database_url() -> str:
    return f"postgresql://observatory@127.0.0.1:{native_postgres_port()}/observatory"


class KafkaSettings(BaseSettings):
    """How the broker is reached, and what our topics are called there."""

    model_config = SettingsConfigDict(env_prefix="OBSERVATORY_KAFKA_", extra="ignore")

    bootstrap: str = Field(default_factory=_native_kafka, validation_alias="OBSERVATORY_KAFKA")
    security_protocol: str = Field("PLAINTEXT", pattern="^(PLAINTEXT|SSL|SASL_PLAINTEXT|SASL_SSL)$")
    sasl_mechanism: str = Field("PLAIN", pattern="^(PLAIN|SCRAM-SHA-256|SCRAM-SHA-512)$")
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    ssl_cafile: Path | None = None
    ssl_certfile: Path | None = None
    ssl_keyfile: Path | None = None
    topic_prefix: str = Field("", pattern=r"^[A-Za-z0-9._-]*$", validation_alias="OBSERVATORY_TOPIC_PREFIX")
    replication_factor: int = Field(1, ge=1, le=9, validation_alias="OBSERVATORY_REPLICATION_FACTOR")


class ProviderSettings(BaseSettings):
    """Keys and addresses of the providers, under the names that their own SDKs use."""

    model_config = SettingsConfigDict(extra="ignore")

    openai_api_key: SecretStr | None = Field(None, validation_alias="OPENAI_API_KEY")
    openai_base_url: str | None = Field(None, validation_alias="OPENAI_BASE_URL")
    anthropic_api_key: SecretStr | None = Field(None, validation_alias="ANTHROPIC_API_KEY")
    anthropic_base_url: str | None = Field(None, validation_alias="ANTHROPIC_BASE_URL")
    azure_api_key: SecretStr | None = Field(None, validation_alias="AZURE_OPENAI_API_KEY")
    azure_endpoint: str | None = Field(None, validation_alias="AZURE_OPENAI_ENDPOINT")
    azure_api_version: str = Field("2024-10-21", validation_alias="OPENAI_API_VERSION")
    simulator_url: str | None = Field(NATIVE_SIMULATOR_URL, validation_alias="OBSERVATORY_SIMULATOR_URL")
    default_provider: str | None = Field(None, validation_alias="OBSERVATORY_DEFAULT_PROVIDER")


class ChatSettings(BaseSettings):
    """The chat worker's limits. Times in seconds."""

    model_config = SettingsConfigDict(env_prefix="OBSERVATORY_CHAT_", extra="ignore")

    concurrency: Annotated[int, Field(ge=1, le=10_000)] = 256
    lease_s: Seconds = 30.0
    renew_s: Seconds = 10.0
    sweep_s: Seconds = 5.0
    drain_s: Seconds = 15.0
    max_attempts: Annotated[int, Field(ge=1, le=20)] = 3
    deadline_s: Seconds = 120.0
    max_output_tokens: Annotated[int, Field(ge=1, le=2**31 - 1)] = Field(
        4096, validation_alias="OBSERVATORY_MAX_OUTPUT_TOKENS"
    )
    """What a request without a cap of its own gets as one under a hard budget."""


class Settings(BaseSettings):
    """Everything else, and the groups above."""

    model_config = SettingsConfigDict(env_prefix="OBSERVATORY_", extra="ignore")

    database_url: str = Field(default_factory=_native_database_url)
    http_host: str = "127.0.0.1"
    http_port: Port = 8080
    metrics_host: str = "127.0.0.1"
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = 0
    instance: str = Field("", pattern=r"^[A-Za-z0-9._-]*$")
    chat_workers: Count = 2
    gateways: Count = 1
    ledgers: Count = 1
    streams: Count = 1
    streams_only: str = Field("", pattern=r"^[a-z_,]*$")
    """Names of processors, with commas: the stream workers run these alone, in a consumer group of their own."""
    data_dir: Path = Path("/")
    """Where the stack's data is: the ledger watches how full that disk is."""
    processes: str = Field("", pattern=r"^(?:[A-Za-z0-9._-]+=https?://[^,\s]+(?:,[A-Za-z0-9._-]+=https?://[^,\s]+)*)?$")
    """`name=address` of each process's health, with commas: the gateway tells how they are."""
    operator_keys: str = Field("", pattern=r"^[A-Za-z0-9_,]*$")
    """Ids of API keys, with commas: who shows one of them may see dead letters and send them again."""
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    facts_retention_days: Annotated[int, Field(ge=1)] = 400
    anomaly_window_s: Annotated[int, Field(ge=1, le=60)] = 10
    anomaly_warm_up_s: Annotated[int, Field(ge=10)] = 3600
    anomaly_warm_up_calls: Annotated[int, Field(ge=1)] = 100
    journal_retention_days: Annotated[int, Field(ge=8)] = 35
    trace_ratio: Annotated[float, Field(ge=0, le=1)] = 1.0
    """The share of traces that begin here which is recorded; 0: none at all, also of those that others began."""
    traces_per_second: Annotated[float, Field(ge=0)] = 50.0
    """How many of the traces that begin in one process are recorded at most."""
    # A group has its own variables: without an alias that none can have, OBSERVATORY_KAFKA would be read as JSON.
    kafka: KafkaSettings = Field(default_factory=KafkaSettings, validation_alias="(kafka)")
    providers: ProviderSettings = Field(default_factory=ProviderSettings, validation_alias="(providers)")
    chat: ChatSettings = Field(default_factory=ChatSettings, validation_alias="(chat)")


def load_settings() -> Settings:
    """Reads the environment. Raises `SettingsError` with one line per bad setting."""
    try:
        return Settings()
    except ValidationError as error:
        lines = [f"{_variable(str(e['loc'][-1]) if e['loc'] else '?')}: {e['msg']}" for e in error.errors()]
        raise SettingsError("; ".join(lines)) from error


def _variable(field: str) -> str:
    """The environment variable behind a field, as far as the environment shows it."""
    if field in os.environ:
        return field
    return next((name for name in os.environ if name.lower().endswith(field.lower())), field)
