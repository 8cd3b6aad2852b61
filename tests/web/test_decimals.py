"""Arithmetic and writing of amounts in the page against Python's `Decimal`: nothing is lost, rounding is right."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_UP, Decimal, localcontext
from pathlib import Path
from typing import Any

import pytest

from tests.node import node
from workers.gateway.web import DIST

LIB = DIST.parent / "src" / "lib"
CLI = DIST.parent / "node_modules" / "rolldown" / "bin" / "cli.mjs"
Ask = Callable[[str, str, Sequence[Sequence[Any]]], list[Any]]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """Calls a function of a module of the page with many lists of arguments."""
    folder = tmp_path_factory.mktemp("lib")

    def results(module: str, function: str, arguments: Sequence[Sequence[Any]]) -> list[Any]:
        bundle = folder / f"{module}.mjs"
        if not bundle.exists():
            run(node(), CLI, LIB / f"{module}.ts", "--format", "esm", "--file", bundle)
        calls = "calls.map((call) => { try { return f(...call) ?? null } catch (error) { return String(error) } })"
        script = (
            f"import {{ {function} as f }} from {json.dumps(bundle.as_uri())};"
            f"const calls = {json.dumps(arguments)}; console.log(JSON.stringify({calls}))"
        )
        found = json.loads(run(node(), "--input-type=module", "--eval", script))
        assert isinstance(found, list)
        return found

    return results


def run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, cwd=DIST.parent, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def amounts(count: int) -> list[str]:
    """Of all sizes and lengths, negative ones and zeros among them."""
    dice = random.Random(11)
    found = []
    for _ in range(count):
        decimals = dice.choice([0, 2, 12, 30])
        digits = dice.randrange(10 ** dice.choice([1, 3, 9, 25]))
        found.append(format(Decimal(digits if dice.random() < 0.8 else -digits).scaleb(-decimals), "f"))
    return [*found, "0", "-0.000", "0.5", "-0.005", "999999.995", "0.00000000000000000000000000000000001"]


def test_differences_and_comparisons_are_exact(ask: Ask) -> None:
    pairs = list(zip(amounts(400), reversed(amounts(400)), strict=True))
    with localcontext(prec=100):
        wanted = [Decimal(a) - Decimal(b) for a, b in pairs]
    assert [Decimal(text) for text in ask("decimal", "subtract", pairs)] == wanted
    assert ask("decimal", "compare", pairs) == [(value > 0) - (value < 0) for value in wanted]
    assert ask("decimal", "sign", [[a] for a, _ in pairs]) == [(Decimal(a) > 0) - (Decimal(a) < 0) for a, _ in pairs]


def test_rounding_is_half_away_from_zero(ask: Ask) -> None:
    cases = [(amount, decimals) for amount in amounts(200) for decimals in (0, 2, 6)]
    with localcontext(prec=100):
        wanted = [Decimal(a).quantize(Decimal(1).scaleb(-d), ROUND_HALF_UP) for a, d in cases]
    assert [Decimal(text) for text in ask("decimal", "fixed", cases)] == wanted


def test_a_change_is_in_tenths_of_a_percent(ask: Ask) -> None:
    cases = [["3", "2"], ["0.0000001", "0.0000002"], ["1", "0"], ["0", "5"], ["10005", "10000"], ["10004", "10000"]]
    assert ask("decimal", "changeInPermille", cases) == [500, -500, None, -1000, 1, 0]


def test_what_is_no_number_is_refused(ask: Ask) -> None:
    refused = ask("decimal", "plain", [["NaN"], ["1e5"], ["1,5"], [""], [".5"]])
    assert all(text.startswith("RangeError") for text in refused)


@pytest.mark.parametrize(
    ("amount", "written"),
    [
        ("0", "$0"), ("1234.565", "$1,234.57"), ("0.000123456", "$0.000123"), ("0.0999999", "$0.100"),
        ("-0.5", "−$0.500"),
        ("1234567.891", "$1.23M"), ("-2500000000", "−$2.50B"), (None, "–"), ("0.9999", "$1.00"),
        ("0.00000000000000000012345", "$0.000000000000000000123"),
    ],
)  # fmt: skip
def test_amounts_are_written_for_people(ask: Ask, amount: str | None, written: str) -> None:
    assert ask("format", "usd", [[amount]]) == [written]


def test_every_digit_is_in_the_title(ask: Ask) -> None:
    shown = ask("format", "exactUsd", [[amount] for amount in amounts(200)])
    read = [
        Decimal(text.removesuffix(" exactly").replace("$", "").replace(",", "").replace("−", "-")) for text in shown
    ]
    assert read == [Decimal(amount) for amount in amounts(200)]


def test_numbers_have_units_and_thousands(ask: Ask) -> None:
    assert ask("format", "count", [[0], [1234], [999_999], [1_234_567], [None]]) == [
        "0",
        "1,234",
        "999,999",
        "1.23 M",
        "–",
    ]
    durations: list[list[float | None]] = [
        [0],
        [0.84],
        [9.96],
        [820.4],
        [1420],
        [59_960],
        [185_000],
        [7_500_000],
        [None],
    ]
    written = ["0 ms", "0.84 ms", "10.0 ms", "820 ms", "1.42 s", "1 m 00 s", "3 m 05 s", "2 h 05 m", "–"]
    assert ask("format", "duration", durations) == written
    assert ask("format", "percent", [[0], [0.0386], [0.00012], [1]]) == ["0 %", "3.86 %", "0.012 %", "100.0 %"]
    assert ask("format", "change", [[0], [123], [-45], [2850], [None]]) == ["±0 %", "+12.3 %", "−4.5 %", "+285 %", "–"]
