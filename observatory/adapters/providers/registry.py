"""The providers that this process can ask, by the names that requests use, and which of them a request is for.

The real ones exist when their key is set, the simulated ones (`sim-…`) when the simulator's address is.
"""

from observatory.adapters.providers.anthropic import anthropic_provider
from observatory.adapters.providers.base import LLMProvider
from observatory.adapters.providers.openai import azure_provider, openai_provider
from observatory.adapters.settings import ProviderSettings
from schemas.chat import ChatRequested

SIMULATED = "sim-"
SIMULATOR_KEY = "simulator"


class NoSuchProvider(Exception):
    """No provider of that name is configured; the message names those that are."""


class Providers:
    """All configured providers, each with its own connections."""

    def __init__(self, settings: ProviderSettings, *, concurrency: int) -> None:
        configured = [*_real(settings, concurrency), *_simulated(settings, concurrency)]
        self._by_name: dict[str, LLMProvider] = {provider.name: provider for provider in configured}
        self._default = settings.default_provider

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all configured providers."""
        return tuple(self._by_name)

    def named(self, name: str) -> LLMProvider | None:
        """The provider of that name, None where it is not configured."""
        return self._by_name.get(name)

    def choose(self, request: ChatRequested) -> LLMProvider:
        """The provider asked for, else the one whose kind offers the model, else the default.

        Raises `NoSuchProvider` when the one asked for is not configured, or none is.
        """
        if request.provider is not None:
            candidates = [request.provider]
        else:
            kind = "anthropic" if request.model.startswith("claude") else "openai"
            candidates = [kind, SIMULATED + kind, *([self._default] if self._default else [])]
        for name in candidates:
            if (provider := self._by_name.get(name)) is not None:
                return provider
        raise NoSuchProvider(self._explanation(candidates))

    async def close(self) -> None:
        """Closes all connections."""
        for provider in self._by_name.values():
            await provider.close()

    def _explanation(self, candidates: list[str]) -> str:
        configured = ", ".join(self._by_name) or "none"
        return f"no provider {' or '.join(candidates)} is configured; configured: {configured}"


def _real(settings: ProviderSettings, concurrency: int) -> list[LLMProvider]:
    found: list[LLMProvider] = []
    if settings.openai_api_key:
        key = settings.openai_api_key.get_secret_value()
        base_url = settings.openai_base_url
        found.append(openai_provider("openai", api_key=key, base_url=base_url, concurrency=concurrency))
    if settings.azure_api_key and settings.azure_endpoint:
        found.append(
            azure_provider(
                "azure",
                api_key=settings.azure_api_key.get_secret_value(),
                endpoint=settings.azure_endpoint,
                api_version=settings.azure_api_version,
                concurrency=concurrency,
            )
        )
    if settings.anthropic_api_key:
        key = settings.anthropic_api_key.get_secret_value()
        base_url = settings.anthropic_base_url
        found.append(anthropic_provider("anthropic", api_key=key, base_url=base_url, concurrency=concurrency))
    return found


def _simulated(settings: ProviderSettings, concurrency: int) -> list[LLMProvider]:
    if not settings.simulator_url:
        return []
    url, key = settings.simulator_url.rstrip("/"), SIMULATOR_KEY
    return [
        openai_provider("sim-openai", api_key=key, base_url=f"{url}/v1", concurrency=concurrency),
        azure_provider(
            "sim-azure", api_key=key, endpoint=url, api_version=settings.azure_api_version, concurrency=concurrency
        ),
        anthropic_provider("sim-anthropic", api_key=key, base_url=url, concurrency=concurrency),
    ]
