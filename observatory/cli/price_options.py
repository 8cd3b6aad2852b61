"""What `observatory prices set` is told, and the rows that it makes of it."""

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from cyclopts import Parameter

from observatory.cli.options import parse_moment
from observatory.cli.problems import wrong_usage
from observatory.rules.price_checks import problems_in
from observatory.rules.price_files import BadValue, amount, multipliers, printable_name
from observatory.rules.price_rows import PRICE_FIELDS, PRICE_SUFFIX, PriceRow

ALWAYS = "always"

_Usd = Annotated[str | None, Parameter(help="US dollars for a million tokens.")]


@dataclass(frozen=True, kw_only=True)
class PriceOptions:
    """One price: what it is for, when, and how much."""

    tenant: Annotated[str | None, Parameter(help="For this tenant only.")] = None
    deployment: Annotated[str | None, Parameter(help="For this deployment only (the model as it is asked for).")] = None
    region: Annotated[str | None, Parameter(help="For this region only.")] = None
    service_tier: Annotated[str | None, Parameter(help="For this service tier only: batch, priority, …")] = None
    from_: Annotated[
        str | None, Parameter(name="--from", help="Valid from: '2h' ago, an RFC 3339 time, or 'always'; else now.")
    ] = None
    to: Annotated[str | None, Parameter(help="Valid until then, not included.")] = None
    input: _Usd = None
    output: _Usd = None
    cache_read: _Usd = None
    cache_write_5m: _Usd = None
    cache_write_1h: _Usd = None
    input_audio: _Usd = None
    output_audio: _Usd = None
    input_image: _Usd = None
    tier: Annotated[
        tuple[str, ...],
        Parameter(show_default=False, help="The price of prompts above so many tokens: 200000:input=6,output=22.5"),
    ] = ()
    multiplier: Annotated[
        tuple[str, ...], Parameter(show_default=False, help="What a service tier costs: batch=0.5")
    ] = ()
    withdraw: Annotated[
        bool, Parameter(show_default=False, help="Prices recorded for the same before do not count any more.")
    ] = False


NOTHING_SAID = PriceOptions()


def rows_of_options(
    provider: str, model: str | None, options: PriceOptions, now: datetime, tables: Collection[str]
) -> list[PriceRow]:
    """The price and its tiers. Raises `Problem` for what makes no price."""
    if provider not in tables:
        raise wrong_usage(f"there is no price table {provider!r}; there are: {', '.join(sorted(tables))}")
    given = {name: getattr(options, name.removesuffix(PRICE_SUFFIX)) for name in PRICE_FIELDS}
    names = (model, options.tenant, options.region, options.deployment, options.service_tier)
    try:
        for name in names:
            printable_name("any" if name is None else name)
        period = PriceRow(
            provider=provider,
            model=model,
            tenant_id=options.tenant,
            region=options.region,
            deployment=options.deployment,
            service_tier=options.service_tier,
            valid_from=None if options.from_ == ALWAYS else parse_moment(options.from_, now) or now,
            valid_to=parse_moment(options.to, now),
        )
        factors = multipliers(" ".join(options.multiplier))
        price = _priced(period, {name: text for name, text in given.items() if text is not None})
        base = dataclasses.replace(price, multipliers=factors, withdrawn=options.withdraw)
        rows = [base, *(_tier(period, text) for text in options.tier)]
    except BadValue as error:
        raise wrong_usage(str(error)) from error
    problems = problems_in(rows)
    if problems:
        raise wrong_usage("; ".join(problem.message for problem in problems))
    return rows


def _priced(row: PriceRow, texts: dict[str, str]) -> PriceRow:
    prices = {name: amount(text) for name, text in texts.items()}
    return dataclasses.replace(row, **prices)  # type: ignore[arg-type]  # the keys are fields that hold prices


def _tier(period: PriceRow, text: str) -> PriceRow:
    """`200000:input=6,output=22.5`"""
    above, colon, rest = text.partition(":")
    pairs = [part.partition("=") for part in rest.split(",")]
    texts = {name.replace("-", "_") + PRICE_SUFFIX: usd for name, _, usd in pairs}
    if not colon or not (above.isascii() and above.isdigit()) or not texts.keys() <= set(PRICE_FIELDS):
        raise BadValue(f"--tier {text!r}: write as in 200000:input=6,output=22.5")
    return _priced(dataclasses.replace(period, above_tokens=int(above)), texts)
