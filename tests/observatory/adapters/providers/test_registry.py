import pytest

from observatory.adapters.providers.registry import NoSuchProvider, Providers
from observatory.adapters.settings import ProviderSettings
from tests.observatory.adapters.providers.calls import asked

KEYS = {
    "OPENAI_API_KEY": "a",
    "AZURE_OPENAI_API_KEY": "b",
    "AZURE_OPENAI_ENDPOINT": "https://example.openai.azure.com",
    "ANTHROPIC_API_KEY": "c",
}
SIMULATOR = {"OBSERVATORY_SIMULATOR_URL": "http://127.0.0.1:8090/"}


@pytest.fixture(autouse=True)
def no_keys_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*KEYS, "OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "OBSERVATORY_DEFAULT_PROVIDER"):
        monkeypatch.delenv(name, raising=False)


def configured(*settings: dict[str, str]) -> Providers:
    environment: dict[str, object] = {"OBSERVATORY_SIMULATOR_URL": None}
    for group in settings:
        environment.update(group)
    return Providers(ProviderSettings.model_validate(environment), concurrency=1)


def test_the_simulated_providers_are_there_without_any_key() -> None:
    assert configured(SIMULATOR).names == ("sim-openai", "sim-azure", "sim-anthropic")


def test_the_real_providers_are_there_when_their_key_is() -> None:
    assert configured(KEYS).names == ("openai", "azure", "anthropic")
    assert configured({**KEYS, "OPENAI_API_KEY": "", "AZURE_OPENAI_ENDPOINT": ""}).names == ("anthropic",)


@pytest.mark.parametrize(
    ("settings", "model", "name"),
    [
        ([SIMULATOR], "gpt-4o", "sim-openai"),
        ([SIMULATOR], "claude-haiku-4-5", "sim-anthropic"),
        ([SIMULATOR], "llama", "sim-openai"),
        ([SIMULATOR, KEYS], "gpt-4o", "openai"),
        ([SIMULATOR, KEYS], "claude-haiku-4-5", "anthropic"),
        ([SIMULATOR, {"OPENAI_API_KEY": "a"}], "claude-haiku-4-5", "sim-anthropic"),
        ([{"OPENAI_API_KEY": "a", "OBSERVATORY_DEFAULT_PROVIDER": "openai"}], "claude-haiku-4-5", "openai"),
    ],
)
def test_without_a_name_the_one_that_offers_the_model_is_chosen(
    settings: list[dict[str, str]], model: str, name: str
) -> None:
    assert configured(*settings).choose(asked(model=model)).name == name


def test_a_name_is_believed() -> None:
    providers = configured(SIMULATOR, KEYS)
    chosen = providers.choose(asked(model="claude-haiku-4-5", provider="sim-azure"))
    assert (chosen.name, chosen.kind) == ("sim-azure", "azure")


def test_a_name_that_is_not_configured_is_an_error_that_names_those_that_are() -> None:
    with pytest.raises(NoSuchProvider, match=r"no provider anthropic is configured; configured: sim-openai, "):
        configured(SIMULATOR).choose(asked(provider="anthropic"))


def test_without_any_provider_every_request_is_an_error() -> None:
    with pytest.raises(NoSuchProvider, match="configured: none"):
        configured().choose(asked())


def test_a_provider_that_is_not_configured_has_no_name() -> None:
    assert configured(SIMULATOR).named("openai") is None
