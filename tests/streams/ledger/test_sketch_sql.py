"""The latency histogram in SQL is that of Python."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from observatory.rules.sketch import merge, pack, quantile
from tests.streams.ledger.ground import Ground

histograms = st.dictionaries(st.integers(-1000, 1279), st.integers(-200, 1000).filter(bool), max_size=20).map(pack)


async def test_sql_merges_and_ranks_as_python_does(ground: Ground) -> None:
    cases: list[tuple[list[int], list[int], float]] = []

    @settings(max_examples=60, database=None)
    @given(histograms, histograms, st.floats(0, 1))
    def collect(a: list[int], b: list[int], p: float) -> None:
        cases.append((a, b, p))

    collect()
    for a, b, p in cases:
        row = await ground.pool.fetchrow(
            "SELECT ledger.hist_merge($1, $2) AS merged, ledger.hist_quantile(ledger.hist_merge($1, $2), $3) AS value",
            a,
            b,
            p,
        )
        assert row is not None
        expected = quantile(merge(a, b), p)
        assert row["merged"] == merge(a, b)
        assert row["value"] == expected or math.isclose(row["value"], expected or 0, rel_tol=1e-12)
