"""Settings: where things are when nothing is said, and one clear line for what is wrong."""

import pytest

from observatory.adapters.settings import SettingsError, load_settings


def test_the_native_services_are_at_their_usual_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "OBSERVATORY_KAFKA",
        "OBSERVATORY_DATABASE_URL",
        "OBSERVATORY_KAFKA_PORT",
        "OBSERVATORY_POSTGRES_PORT",
    ):
        monkeypatch.delenv(name, raising=False)
    settings = load_settings()
    assert settings.kafka.bootstrap == "127.0.0.1:9092"
    assert settings.database_url == "postgresql://observatory@127.0.0.1:5433/observatory"


def test_the_native_services_can_be_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OBSERVATORY_KAFKA", raising=False)
    monkeypatch.setenv("OBSERVATORY_KAFKA_PORT", "19092")
    assert load_settings().kafka.bootstrap == "127.0.0.1:19092"


def test_an_address_that_is_set_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBSERVATORY_KAFKA_PORT", "19092")
    monkeypatch.setenv("OBSERVATORY_KAFKA", "broker.example:9094")
    assert load_settings().kafka.bootstrap == "broker.example:9094"


@pytest.mark.parametrize("port", ["abc", "0", "70000", "-1", ""])
def test_a_bad_port_is_named(monkeypatch: pytest.MonkeyPatch, port: str) -> None:
    monkeypatch.delenv("OBSERVATORY_DATABASE_URL", raising=False)
    monkeypatch.setenv("OBSERVATORY_POSTGRES_PORT", port)
    with pytest.raises(SettingsError, match="OBSERVATORY_POSTGRES_PORT"):
        load_settings()


def test_a_bad_setting_is_named_with_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBSERVATORY_HTTP_PORT", "eighty")
    with pytest.raises(SettingsError, match="OBSERVATORY_HTTP_PORT"):
        load_settings()
