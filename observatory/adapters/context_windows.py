"""How many tokens a model can read at once, as far as the shipped price list says."""

from functools import lru_cache

from genai_prices.data_snapshot import get_snapshot

from observatory.rules.model_names import spellings


@lru_cache(2048)
def context_window(model: str) -> int | None:
    """In tokens; None when the model or its window is not known."""
    for name in spellings(model):
        try:
            _, found = get_snapshot().find_provider_model(name, None, None, None)
        except LookupError:
            continue
        return found.context_window
    return None
