"""The simulator's own price table and arithmetic, typed by hand and independent of every other price source
here.

Promise: integers only, exact to the last decimal. A price is a decimal string in USD for a million tokens
with at most six decimals, so the price of one token is a whole number of picodollars (1e-12 USD).
"""

from typing import NamedTuple

PICO_PER_USD = 10**12
_DECIMALS_PER_MILLION = 6


class Usage(NamedTuple):
    """Tokens of one call in disjoint buckets; `reasoning_tokens` are a part of `output_tokens`."""

    uncached_input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def input_tokens(self) -> int:
        """Every token of the prompt, however it is billed."""
        return (
            self.uncached_input_tokens
            + self.cache_read_tokens
            + self.cache_write_5m_tokens
            + self.cache_write_1h_tokens
        )


class Price(NamedTuple):
    """USD for a million tokens, as decimal strings; None where the provider does not sell the bucket."""

    input: str
    cache_read: str | None
    output: str
    cache_write_5m: str | None = None
    cache_write_1h: str | None = None


class Model(NamedTuple):
    """A model that is served: what it does and what it costs.

    A prompt of more than `long_context_above` tokens is charged at `long_context` as a whole, output
    included.
    """

    operation: str
    price: Price
    long_context_above: int | None = None
    long_context: Price | None = None
    dimensions: int = 0


# Azure sells these models at OpenAI's list price.
_OPENAI = {
    # $2.50 in, half of it when cached, $10 out
    "gpt-4o": Model("chat", Price("2.5", "1.25", "10")),
    # 15 cents in, half of it when cached, 60 cents out
    "gpt-4o-mini": Model("chat", Price("0.15", "0.075", "0.6")),
    # $2 in, a quarter of it when cached, $8 out
    "gpt-4.1": Model("chat", Price("2", "0.5", "8")),
    # 40 cents in, a quarter of it when cached, $1.60 out
    "gpt-4.1-mini": Model("chat", Price("0.4", "0.1", "1.6")),
    # 10 cents in, a quarter of it when cached, 40 cents out
    "gpt-4.1-nano": Model("chat", Price("0.1", "0.025", "0.4")),
    # $2 in, a quarter of it when cached, $8 out; reasoning is output
    "o3": Model("chat", Price("2", "0.5", "8")),
    # $1.10 in, a quarter of it when cached, $4.40 out; reasoning is output
    "o4-mini": Model("chat", Price("1.1", "0.275", "4.4")),
    # $10 in, $30 out; has no prompt cache
    "gpt-4-turbo": Model("chat", Price("10", None, "30")),
    # 50 cents in, $1.50 out; has no prompt cache
    "gpt-3.5-turbo": Model("chat", Price("0.5", None, "1.5")),
    # 2 cents; embeddings have no output tokens
    "text-embedding-3-small": Model("embeddings", Price("0.02", None, "0"), dimensions=1536),
    # 13 cents; embeddings have no output tokens
    "text-embedding-3-large": Model("embeddings", Price("0.13", None, "0"), dimensions=3072),
    # Invented, and absent from public price tables: a call that its caller cannot price
    "sim-unpriced": Model("chat", Price("1", "1", "1")),
}

_ANTHROPIC = {
    # $3 in, $15 out up to 200,000 prompt tokens, beyond it twice the input and one and a half times the
    # output price; cache read 0.1, five-minute write 1.25 and one-hour write 2 times the input price
    "claude-sonnet-4-5": Model(
        "chat",
        Price("3", "0.3", "15", "3.75", "6"),
        200_000,
        Price("6", "0.6", "22.5", "7.5", "12"),
    ),
    # $1 in, $5 out; cache read 0.1, five-minute write 1.25 and one-hour write 2 times the input price
    "claude-haiku-4-5": Model("chat", Price("1", "0.1", "5", "1.25", "2")),
    # $5 in, $25 out; cache read 0.1, five-minute write 1.25 and one-hour write 2 times the input price
    "claude-opus-4-5": Model("chat", Price("5", "0.5", "25", "6.25", "10")),
    # Invented, and absent from public price tables: a call that its caller cannot price
    "sim-unpriced": Model("chat", Price("1", "1", "1", "1", "1")),
}

MODELS: dict[str, dict[str, Model]] = {"openai": _OPENAI, "azure": _OPENAI, "anthropic": _ANTHROPIC}


def pico_per_token(usd_per_million: str | None) -> int:
    """Picodollars for one token. Raises ValueError where the bucket has no price or the price is too fine."""
    if usd_per_million is None:
        raise ValueError("tokens in a bucket that this model does not sell")
    whole, _, decimals = usd_per_million.partition(".")
    if len(decimals) > _DECIMALS_PER_MILLION:
        raise ValueError(f"price {usd_per_million} has more than {_DECIMALS_PER_MILLION} decimals")
    return int(whole + decimals.ljust(_DECIMALS_PER_MILLION, "0"))


def cost_pico(model: Model, usage: Usage) -> int:
    """What a call costs in picodollars, exactly. Raises ValueError for tokens that the model does not sell."""
    price = model.price
    if model.long_context is not None and model.long_context_above is not None:
        price = model.long_context if usage.input_tokens > model.long_context_above else price
    buckets = (
        (usage.uncached_input_tokens, price.input),
        (usage.cache_read_tokens, price.cache_read),
        (usage.cache_write_5m_tokens, price.cache_write_5m),
        (usage.cache_write_1h_tokens, price.cache_write_1h),
        (usage.output_tokens, price.output),
    )
    return sum(tokens * pico_per_token(usd) for tokens, usd in buckets if tokens)


def usd(pico: int) -> str:
    """Picodollars as a decimal string in USD without trailing zeros: 1500000 gives "0.0000015"."""
    whole, fraction = divmod(pico, PICO_PER_USD)
    return f"{whole}.{fraction:012d}".rstrip("0").rstrip(".")
