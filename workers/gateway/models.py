"""`GET /v1/models`: the models with a known price of the providers that are configured."""

import time
from collections.abc import Iterator

import orjson
from genai_prices.data import providers as priced_providers
from starlette.types import Receive, Scope, Send

from observatory.adapters.settings import ProviderSettings
from workers.gateway.access import KeyRing
from workers.gateway.refusals import Refusal, not_found
from workers.gateway.responses import send_body


def configured_kinds(settings: ProviderSettings) -> set[str]:
    """Whose price tables count: those of providers with a key, and all three when the simulator answers."""
    kinds = {
        "openai": settings.openai_api_key,
        "azure": settings.azure_api_key,
        "anthropic": settings.anthropic_api_key,
    }
    return {kind for kind, key in kinds.items() if key is not None or settings.simulator_url is not None}


def listed_models(kinds: set[str]) -> dict[str, dict[str, object]]:
    """OpenAI's `model` objects by id."""
    return {str(model["id"]): model for model in _models(kinds)}


def _models(kinds: set[str]) -> Iterator[dict[str, object]]:
    created = int(time.time())
    for provider in priced_providers:
        if provider.id in kinds:
            for model in provider.models:
                yield {"id": model.id, "object": "model", "created": created, "owned_by": provider.id}


class Models:
    """`GET /v1/models` and `GET /v1/models/{id}`."""

    def __init__(self, settings: ProviderSettings, keys: KeyRing) -> None:
        self._keys = keys
        self._models = listed_models(configured_kinds(settings))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> int:
        """Answers with the list or one model; returns the status. Raises `Refusal`."""
        if scope["method"] != "GET":
            raise Refusal(405, "method_not_allowed", "use GET", final=True)
        await self._keys.admit(dict(scope["headers"]))
        model_id = scope["path_params"].get("model")
        if model_id is None:
            body: dict[str, object] = {"object": "list", "data": list(self._models.values())}
        elif model_id in self._models:
            body = self._models[model_id]
        else:
            raise not_found(f"there is no model {model_id!r} with a known price", "no_such_model")
        await send_body(send, 200, orjson.dumps(body))
        return 200
