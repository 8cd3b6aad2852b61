"""`/api/v1/analytics` asked over HTTP, and every figure checked against SQL written by hand over the facts.

Each question is asked three times: while only minutes are there, when hours and days are summed, and when some of
these were taken back by calls that came late.
"""

from __future__ import annotations

import csv
import io
import random
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from observatory.adapters.kafka import topic_name
from observatory.adapters.postgres.analytics import Question
from observatory.adapters.postgres.app import ApiKeys
from observatory.adapters.postgres.pool import Pool, open_pool
from observatory.adapters.postgres.rolling import roll
from observatory.adapters.settings import KafkaSettings
from observatory.rules.periods import Window
from schemas.topics import LLM_CALLS
from tests.streams.ledger.calls import Body, call
from tests.streams.ledger.writing import write_calls
from tests.workers.gateway.conftest import Process, eventually
from workers.gateway import analytics_desk
from workers.gateway.analytics_desk import AnalyticsDesk
from workers.gateway.api_bodies import decode_cursor, encode_cursor
from workers.gateway.refusals import Refusal

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
END = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - 40 * DAY
START = END - 3 * DAY
BEFORE = START - 3 * DAY
PERIOD: dict[str, Any] = {"from": START.isoformat(), "to": END.isoformat()}
TENANTS = ("analytics-a", "analytics-b")
ALL: dict[str, Any] = {"tenant": list(TENANTS)}

Json = dict[str, Any]
Expected = dict[tuple[Any, ...], dict[str, Any]]
Values = Mapping[str, object]

SUMS = """count(*) FILTER (WHERE status <> 'not_sent') AS calls,
  count(*) FILTER (WHERE status = 'error') AS errors,
  count(*) FILTER (WHERE status <> 'not_sent' AND cost_usd IS NULL) AS unpriced_calls,
  count(*) FILTER (WHERE status = 'not_sent') AS not_sent_calls,
  coalesce(sum(output_tokens) FILTER (WHERE status <> 'not_sent'), 0)::bigint AS output_tokens,
  coalesce(sum(cache_read_tokens) FILTER (WHERE status <> 'not_sent'), 0)::bigint AS cache_read_tokens,
  coalesce(sum(cost_usd) FILTER (WHERE status <> 'not_sent'), 0) AS cost_usd,
  coalesce(sum(cost_usd) FILTER (WHERE status <> 'not_sent' AND cost_state = 'estimated'), 0) AS estimated_cost_usd"""
MODEL = "coalesce(response_model, request_model)"


KINDS: list[Body] = [
    {}, {}, {}, {"status": "error"}, {"cost_usd": None}, {"status": "not_sent"}, {"cost_state": "estimated"},
]  # fmt: skip


def a_call(dice: random.Random, start: datetime, **changes: object) -> Body:
    """Some call of the three days from `start` on."""
    kind = dice.choice(KINDS)
    chosen: Body = {
        "tenant_id": dice.choice(TENANTS),
        "started_at": (start + 3 * DAY * dice.random()).isoformat(),
        "first_token_at": None,
        "ended_at": None,
        "response_model": dice.choice(["alpha-1", "alpha-2", 'beta, "quoted"', None]),
        "request_model": "asked",
        "provider": dice.choice(["sim-openai", "sim-anthropic"]),
        "user_id": dice.choice([f"user-{n}" for n in range(6)] + [None]),
        "conversation_id": f"conversation-{dice.randrange(40)}",
        "api_key_id": dice.choice(["key-1", "=key-2"]),
        "tags": dice.choice([{"team": "search"}, {"team": "ads"}, None]),
        "cost_usd": f"{Decimal(dice.randrange(1, 10**9)) / 10**11:f}",
        "latency": {"ttft_ms": dice.uniform(1, 900), "total_ms": dice.uniform(900, 9000)},
        "experiment_id": dice.choice(["e1", None]),
    }
    return call(**{**chosen, **kind, **changes})


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pool(database_url: str) -> AsyncIterator[Pool]:
    made = await open_pool(database_url, size=2, application="test")
    yield made
    await made.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=["minutes", "sums", "partly taken back"])
async def facts(request: pytest.FixtureRequest, pool: Pool, topics: KafkaSettings) -> AsyncIterator[Pool]:
    """Six days of calls, of which the last three are asked about."""
    dice, topic = random.Random(7), topic_name(topics, LLM_CALLS)
    await forget(pool)
    first = [a_call(dice, start) for start in (START, BEFORE) for _ in range(200)]
    await write_calls(pool, topic, first, until=END + HOUR)
    if request.param != "minutes":
        while await roll(pool, END + HOUR):
            pass
        assert (
            await pool.fetchval("SELECT count(*) FROM ledger.rolled WHERE sums = 'rollup_1d' AND until > bucket") >= 6
        )
    if request.param == "partly taken back":
        late = [a_call(dice, START) for _ in range(3)]
        revised: list[Body] = [{**first[3], "revision": 2, "cost_usd": "1.5", "status": "ok", "user_id": "user-9"}]
        await write_calls(pool, topic, [*late, *revised], until=END + HOUR)
    yield pool
    await forget(pool)


async def forget(pool: Pool) -> None:
    await pool.execute("DELETE FROM ledger.calls WHERE tenant_id = ANY ($1)", TENANTS)
    await pool.execute("DELETE FROM ledger.rollup_1m WHERE tenant_id = ANY ($1)", TENANTS)
    await pool.execute("TRUNCATE ledger.rolled, ledger.rollup_1h, ledger.rollup_1d, ledger.rollup_1d_by")


class Api:
    """Asks the gateway."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http, self._url = http, f"{url}/api/v1/analytics/"

    async def get(self, path: str, code: int = 200, key: str | None = None, **query: object) -> Json:
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        async with self._http.get(self._url + path, params=pairs(query), headers=headers) as response:
            body = await response.json(content_type=None)
            assert response.status == code, body
            assert isinstance(body, dict)
            return body

    async def csv(self, path: str, **query: object) -> list[dict[str, str]]:
        async with self._http.get(self._url + path, params=pairs(query), headers={"accept": "text/csv"}) as response:
            assert response.status == 200
            assert response.content_type == "text/csv"
            assert response.headers["x-observatory-watermark"]
            return list(csv.DictReader(io.StringIO(await response.text(), newline="")))


def pairs(query: Values) -> list[tuple[str, str]]:
    return [
        (name, str(each)) for name, value in query.items() for each in (value if isinstance(value, list) else [value])
    ]


@pytest.fixture
def api(http: aiohttp.ClientSession, gateway: Process) -> Api:
    return Api(http, gateway.url)


def asked(**query: object) -> Json:
    return {**PERIOD, **ALL, **query}


async def by_hand(
    pool: Pool, keys: str, *, where: str = "true", start: datetime = START, end: datetime = END
) -> Expected:
    """Sums of the facts by these keys, the values as JSON writes them."""
    query = f"""SELECT ARRAY[{keys}]::text[] AS key, {SUMS} FROM ledger.calls
      WHERE started_at >= $1 AND started_at < $2 AND tenant_id = ANY ($3) AND {where} GROUP BY {keys}"""
    rows = await pool.fetch(query, start, end, TENANTS)
    return {tuple(row["key"]): {name: row[name] for name in row.keys() if name != "key"} for row in rows}  # noqa: SIM118


def figures(row: Json, like: Values) -> Json:
    """The figures of an answer, money as decimals."""
    return {name: Decimal(row[name]) if name.endswith("_usd") else row[name] for name in like}


def assert_equal(rows: list[Json], expected: Expected, key: Any) -> None:
    assert len(rows) == len(expected)
    for row in rows:
        wanted = expected[key(row)]
        assert figures(row, wanted) == wanted


def names(row: Json) -> tuple[str | None, ...]:
    return tuple(row["group"].values())


@pytest.mark.parametrize(
    ("group_by", "keys"),
    [
        ("model", MODEL),
        ("tenant,provider", "tenant_id, provider"),
        ("operation", "operation"),
        ("user", "user_id"),
        ("user,model", f"user_id, {MODEL}"),
        ("api_key", "api_key_id"),
        ("status", "status"),
        ("experiment", "experiment_id"),
        ("conversation", "conversation_id"),
        ("tag:team", "tags ->> 'team'"),
        ("api_key,status,tag:team", "api_key_id, status, tags ->> 'team'"),
    ],
)
async def test_costs_are_those_of_the_facts(facts: Pool, api: Api, group_by: str, keys: str) -> None:
    answer = await api.get("costs", **asked(group_by=group_by))
    assert_equal(answer["rows"], await by_hand(facts, keys), names)
    costs = [Decimal(row["cost_usd"]) for row in answer["rows"]]
    assert costs == sorted(costs, reverse=True)


@pytest.mark.parametrize(
    ("granularity", "zone"),
    [("hour", None), ("day", None), ("day", "Asia/Kolkata"), ("day", "America/New_York"), ("month", "Europe/Prague")],
)
async def test_steps_begin_where_the_clocks_of_the_zone_say(
    facts: Pool, api: Api, granularity: str, zone: str | None
) -> None:
    more = {} if zone is None else {"time_zone": zone}
    for group, column in (("model", MODEL), ("user", "user_id")):
        answer = await api.get("costs", **asked(granularity=granularity, group_by=group, **more))
        step = f"extract(epoch FROM date_trunc('{granularity}', started_at, '{zone or 'UTC'}'))::bigint"
        assert_equal(
            answer["rows"],
            await by_hand(facts, f"{step}, {column}"),
            lambda row: (str(round(datetime.fromisoformat(row["at"]).timestamp())), *names(row)),
        )
        assert [row["at"] for row in answer["rows"]] == sorted(row["at"] for row in answer["rows"])


async def test_a_period_within_hours_is_exact_to_the_minute(facts: Pool, api: Api) -> None:
    start, end = START + timedelta(hours=3, minutes=17), END - timedelta(hours=5, minutes=41)
    for filters, where in (({}, "true"), ({"user": "user-1"}, "user_id = 'user-1'")):
        query = asked(**{"from": start.isoformat(), "to": end.isoformat()}, **filters)
        [row] = (await api.get("costs", **query))["rows"]
        [wanted] = (await by_hand(facts, "started_at IS NULL", where=where, start=start, end=end)).values()
        assert figures(row, wanted) == wanted
        assert (row["at"], row["group"], row["other"], row["groups"]) == (None, None, False, 1)


@pytest.mark.parametrize(
    ("filters", "where"),
    [
        ({"model": ["alpha-1", "asked"]}, f"{MODEL} IN ('alpha-1', 'asked')"),
        ({"user": "user-2"}, "user_id = 'user-2'"),
        ({"user": "user-2", "provider": "sim-openai"}, "user_id = 'user-2' AND provider = 'sim-openai'"),
        ({"conversation": "conversation-7"}, "conversation_id = 'conversation-7'"),
        ({"tag:team": ["ads", "search"], "status": "error"}, "tags ? 'team' AND status = 'error'"),
        ({"user": "nobody"}, "user_id = 'nobody'"),
        ({"tenant": "analytics-b"}, "tenant_id = 'analytics-b'"),
    ],
)
async def test_only_what_is_asked_for_is_summed(facts: Pool, api: Api, filters: Json, where: str) -> None:
    answer = await api.get("costs", **asked(group_by="provider", **filters))
    assert_equal(answer["rows"], await by_hand(facts, "provider", where=where), names)


@pytest.mark.parametrize(("order", "ranking"), [
    ("cost", "cost_usd"), ("calls", "calls"), ("errors", "errors"), ("tokens", None), ("p95", None),
])  # fmt: skip
async def test_the_rest_of_a_top_is_summed_exactly(facts: Pool, api: Api, order: str, ranking: str | None) -> None:
    whole = await by_hand(facts, "user_id")
    answer = await api.get("costs", **asked(group_by="user", top=3, order=order))
    *first, rest = answer["rows"]
    assert [row["other"] for row in answer["rows"]] == [False, False, False, True]
    assert (rest["group"], rest["groups"]) == (None, len(whole) - 3)
    assert_equal(first, {key: whole[key] for key in map(names, first)}, names)
    if ranking is not None:
        best = sorted((sums[ranking] for sums in whole.values()), reverse=True)[:3]
        assert [whole[names(row)][ranking] for row in first] == best
    for name in next(iter(whole.values())):
        assert sum(Decimal(row[name]) for row in answer["rows"]) == sum(Decimal(s[name]) for s in whole.values())
    by_day = await api.get("costs", **asked(group_by="user", top=3, order=order, granularity="day"))
    assert {names(row) for row in by_day["rows"] if not row["other"]} == set(map(names, first))
    assert sum(Decimal(row["cost_usd"]) for row in by_day["rows"] if row["other"]) == Decimal(rest["cost_usd"])


async def test_the_period_before_stands_beside(facts: Pool, api: Api) -> None:
    now, then = await by_hand(facts, MODEL), await by_hand(facts, MODEL, start=BEFORE, end=START)
    for row in (await api.get("costs", **asked(group_by="model", compare="previous")))["rows"]:
        assert figures(row, now[names(row)]) == now[names(row)]
        assert figures(row["previous"], then[names(row)]) == then[names(row)]
        cost, before = now[names(row)]["cost_usd"], then[names(row)]["cost_usd"]
        assert Decimal(row["difference_usd"]) == cost - before
        assert abs(Decimal(row["ratio"]) - cost / before) < Decimal("1e-12")
    shifted = "extract(epoch FROM date_trunc('day', started_at + interval '3 days', 'UTC'))::bigint"
    by_day = await by_hand(facts, shifted, start=BEFORE, end=START)
    answer = await api.get("costs", **asked(granularity="day", compare="previous"))
    for row in answer["rows"]:
        wanted = by_day[(str(round(datetime.fromisoformat(row["at"]).timestamp())),)]
        assert figures(row["previous"], wanted) == wanted


async def test_what_changed_most_comes_first(facts: Pool, api: Api) -> None:
    now, then = await by_hand(facts, "user_id"), await by_hand(facts, "user_id", start=BEFORE, end=START)
    none = {"cost_usd": Decimal(0)}
    changes = {
        key: abs(now.get(key, none)["cost_usd"] - then.get(key, none)["cost_usd"]) for key in now.keys() | then.keys()
    }
    wanted = sorted(changes.values(), reverse=True)
    answer = await api.get("costs", **asked(group_by="user", order="change", compare="previous", top=3))
    *first, rest = answer["rows"]
    assert [changes[names(row)] for row in first] == wanted[:3]
    assert rest["other"]
    for row in answer["rows"]:
        parts = [Decimal(row["reasons"][name]) for name in ("calls_usd", "length_usd", "rate_usd")]
        assert sum(parts) == Decimal(row["difference_usd"])
    pages = [await api.get("costs", **asked(group_by="user", order="change", compare="previous", limit=2))]
    while pages[-1]["next"]:
        cursor = pages[-1]["next"]
        query = asked(group_by="user", order="change", compare="previous", limit=2, cursor=cursor)
        pages.append(await api.get("costs", **query))
    ordered = [abs(Decimal(row["difference_usd"])) for page in pages for row in page["rows"]]
    assert ordered == sorted(ordered, reverse=True)
    assert len(ordered) == len(changes)
    assert (await api.get("costs", 422, **asked(group_by="user", order="change")))["detail"].startswith("order")


async def test_pages_are_the_whole(facts: Pool, api: Api) -> None:
    for query in (
        asked(group_by="user,model", granularity="day"),
        asked(group_by="conversation", compare="previous"),
        asked(group_by="user", top=2, granularity="hour"),
    ):
        whole = (await api.get("costs", **query, limit=5000))["rows"]
        found, cursor = [], None
        while True:
            page = await api.get("costs", **query, limit=40, **({} if cursor is None else {"cursor": cursor}))
            found += page["rows"]
            cursor = page["next"]
            if cursor is None:
                break
            assert len(page["rows"]) == 40
        assert found == whole


async def test_csv_has_what_json_has(facts: Pool, api: Api) -> None:
    query = asked(group_by="api_key,model", granularity="day")
    rows = (await api.get("costs", **query))["rows"]
    lines = await api.csv("costs", **query)
    assert len(lines) == len(rows)
    for row, line in zip(rows, lines, strict=True):
        key = row["group"]["api_key"]
        assert (line["at"], line["api_key"], line["model"]) == (
            row["at"], "'=key-2" if key == "=key-2" else key, row["group"]["model"],
        )  # fmt: skip
        assert (line["cost_usd"], line["calls"]) == (row["cost_usd"], str(row["calls"]))
        assert "previous_cost_usd" not in line
    compared = await api.csv("costs", **asked(group_by="model", compare="previous"))
    assert all(Decimal(line["previous_cost_usd"]) > 0 for line in compared)


@pytest.mark.parametrize(("group_by", "keys"), [("model", MODEL), ("user", "user_id"), ("tag:team", "tags ->> 'team'")])
async def test_percentiles_are_those_of_the_calls(facts: Pool, api: Api, group_by: str, keys: str) -> None:
    expected = {
        row["key"]: row
        for row in await facts.fetch(
            f"""SELECT {keys} AS key, count(*) AS calls, count(*) FILTER (WHERE status = 'error') AS errors,
                  percentile_disc(ARRAY[0.5, 0.9, 0.95, 0.99]) WITHIN GROUP (ORDER BY total_ms) AS latency,
                  percentile_disc(ARRAY[0.5, 0.9, 0.95, 0.99]) WITHIN GROUP (ORDER BY ttft_ms) AS ttft
                FROM ledger.calls WHERE started_at >= $1 AND started_at < $2 AND tenant_id = ANY ($3)
                 AND status <> 'not_sent' GROUP BY 1""",
            START, END, TENANTS,
        )
    }  # fmt: skip
    rows = (await api.get("performance", **asked(group_by=group_by)))["rows"]
    assert len(rows) == len(expected)
    for row in rows:
        wanted = expected[row["group"][group_by]]
        assert (row["calls"], row["errors"]) == (wanted["calls"], wanted["errors"])
        assert row["error_rate"] == wanted["errors"] / wanted["calls"]
        assert row["calls_per_second"] == wanted["calls"] / (3 * DAY).total_seconds()
        for kind in ("latency", "ttft"):
            for position, p in enumerate((50, 90, 95, 99)):
                assert abs(row[f"{kind}_p{p}_ms"] / wanted[kind][position] - 1) < 0.0111


@pytest.mark.parametrize(("granularity", "zone"), [("hour", None), ("day", None), ("day", "Asia/Kolkata")])
async def test_percentiles_of_steps_are_those_of_their_calls(
    facts: Pool, api: Api, granularity: str, zone: str | None
) -> None:
    start = START + 18.3 * HOUR
    expected = {
        row["at"]: row
        for row in await facts.fetch(
            f"""SELECT date_trunc('{granularity}', started_at, '{zone or 'UTC'}') AS at,
                  percentile_disc(ARRAY[0.5, 0.9, 0.95, 0.99]) WITHIN GROUP (ORDER BY total_ms) AS latency,
                  percentile_disc(ARRAY[0.5, 0.9, 0.95, 0.99]) WITHIN GROUP (ORDER BY ttft_ms) AS ttft
                FROM ledger.calls WHERE started_at >= $1 AND started_at < $2 AND tenant_id = ANY ($3)
                 AND status <> 'not_sent' GROUP BY 1""",
            start, END, TENANTS,
        )
    }  # fmt: skip
    period = {"from": start.isoformat(), "granularity": granularity, **({} if zone is None else {"time_zone": zone})}
    rows = {
        datetime.fromisoformat(row["at"]): row
        for row in (await api.get("performance", **asked(**period)))["rows"]
        if row["calls"]
    }
    assert rows.keys() == expected.keys()
    for at, row in rows.items():
        for kind in ("latency", "ttft"):
            for position, p in enumerate((50, 90, 95, 99)):
                assert abs(row[f"{kind}_p{p}_ms"] / expected[at][kind][position] - 1) < 0.0111


async def test_throughput_is_that_of_the_step_within_the_period(facts: Pool, api: Api) -> None:
    start = START + timedelta(hours=18)
    rows = (await api.get("performance", **asked(**{"from": start.isoformat()}, granularity="day")))["rows"]
    assert rows[0]["calls_per_second"] == rows[0]["calls"] / (6 * HOUR).total_seconds()
    assert rows[1]["calls_per_second"] == rows[1]["calls"] / DAY.total_seconds()


async def test_models_stand_side_by_side(facts: Pool, api: Api) -> None:
    expected = await by_hand(facts, f"provider, {MODEL}")
    rows = (await api.get("models/compare", **asked()))["rows"]
    assert len(rows) == len(expected)
    total = sum(sums["cost_usd"] for sums in expected.values())
    for row in rows:
        wanted = expected[row["provider"], row["model"]]
        cost, priced = wanted["cost_usd"], wanted["calls"] - wanted["unpriced_calls"]
        assert (row["calls"], row["errors"], Decimal(row["cost_usd"])) == (wanted["calls"], wanted["errors"], cost)
        assert abs(Decimal(row["cost_per_call_usd"]) - cost / priced) < Decimal("1e-12")
        assert abs(Decimal(row["cost_share"]) - cost / total) < Decimal("1e-12")
        if wanted["unpriced_calls"]:
            assert row["cost_per_1k_output_tokens_usd"] is None
        else:
            each = Decimal(row["cost_per_1k_output_tokens_usd"])
            assert abs(each - cost * 1000 / wanted["output_tokens"]) < Decimal("1e-12")
    only = await api.get("models/compare", **asked(model=["alpha-1", "alpha-2"], provider="sim-openai"))
    assert {(row["provider"], row["model"]) for row in only["rows"]} == {
        ("sim-openai", "alpha-1"), ("sim-openai", "alpha-2"),
    }  # fmt: skip


async def test_waste_is_what_failed(facts: Pool, api: Api) -> None:
    wasted = await facts.fetch(
        """SELECT tenant_id AS key, count(*) AS calls, sum(cost_usd) AS cost_usd FROM ledger.calls
            WHERE started_at >= $1 AND started_at < $2 AND tenant_id = ANY ($3) AND status = 'error' GROUP BY 1""",
        START, END, TENANTS,
    )  # fmt: skip
    for row in wasted:
        answer = await api.get("waste", **{**PERIOD, "tenant": row["key"]}, by="tenant")
        whole, group = answer["rows"]
        assert (whole["group"], group["group"]) == (None, row["key"])
        assert {**whole, "group": ""} == {**group, "group": ""}
        assert (group["calls"], Decimal(group["cost_usd"])) == (row["calls"], row["cost_usd"])


async def test_every_answer_says_up_to_when_it_is_complete(facts: Pool, api: Api, topics: KafkaSettings) -> None:
    moment = await facts.fetchval(
        "SELECT min(applied_until) FROM ledger.sink_offsets WHERE sink = 'ledger' AND topic = $1",
        topic_name(topics, LLM_CALLS),
    )
    for path in ("costs", "performance", "models/compare", "waste"):
        answer = await api.get(path, **PERIOD)
        assert datetime.fromisoformat(answer["watermark"]) == moment
        assert answer["complete"] is True
        assert answer["period"] == {
            "from": START.isoformat().replace("+00:00", "Z"), "to": END.isoformat().replace("+00:00", "Z"),
        }  # fmt: skip
    assert (await api.get("costs"))["complete"] is False
    fresh = await api.get("freshness")
    assert datetime.fromisoformat(fresh["watermark"]) == moment
    [mine] = [row for row in fresh["rows"] if row["topic"] == topic_name(topics, LLM_CALLS)]
    lag_ms = (datetime.fromisoformat(fresh["asked_at"]) - moment).total_seconds() * 1000
    assert (mine["sink"], mine["partition"], mine["lag_ms"]) == ("ledger", 0, pytest.approx(lag_ms))


@pytest.mark.parametrize(
    ("path", "query", "parameter"),
    [
        ("costs", {"group_by": "colour"}, "group_by"),
        ("costs", {"group_by": "model,model"}, "group_by"),
        ("costs", {"group_by": "tag:"}, "group_by"),
        ("costs", {"colour": "red"}, "colour"),
        ("costs", {"top": "0", "group_by": "user"}, "top"),
        ("costs", {"top": "3"}, "top"),
        ("costs", {"granularity": "week"}, "granularity"),
        ("costs", {"granularity": "hour", "time_zone": "Europe/Prague"}, "time_zone"),
        ("costs", {"granularity": "day", "time_zone": "Nowhere"}, "time_zone"),
        ("costs", {"granularity": "minute", "last": "365d"}, "granularity"),
        ("costs", {"order": "beauty"}, "order"),
        ("costs", {"compare": "next"}, "compare"),
        ("costs", {"last": "1d", "from": "2026-01-01T00:00:00Z"}, "last"),
        ("costs", {"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "to"),
        ("costs", {"limit": "100000"}, "limit"),
        ("costs", {"user": ""}, "user"),
        ("costs", {"tag:team": "a\0b"}, "tag:team"),
        ("costs", {"group_by": "tag:\0"}, "group_by"),
        ("costs", {"from": "0001-01-01T00:00:00Z"}, "from"),
        ("costs", {"from": "2026-01-01T00:00:00Z", "to": "9999-12-31T23:59:59Z"}, "to"),
        ("performance", {"format": "xml"}, "format"),
        ("models/compare", {"group_by": "user"}, "group_by"),
        ("waste", {"by": "user"}, "by"),
        ("waste", {"limit": "3"}, "limit"),
    ],
)
async def test_nonsense_is_refused_by_its_name(api: Api, path: str, query: Json, parameter: str) -> None:
    problem = await api.get(path, code=422, **query)
    assert parameter in {error["parameter"] for error in problem["errors"]}


async def test_a_cursor_of_another_question_is_refused(facts: Pool, api: Api) -> None:
    page = await api.get("costs", **asked(group_by="user"), limit=2)
    await api.get("costs", code=400, **asked(group_by="model"), limit=2, cursor=page["next"])
    await api.get("costs", code=400, **asked(group_by="user"), limit=2, cursor="nonsense")
    fingerprint, start, end, _ = decode_cursor(page["next"], 4)
    for position in ('[null,0,"-1e999999","x"]', '[null,0,"-1","a\\u0000b"]', "[null,0]", '["never",0,"1","x"]', "{}"):
        cursor = encode_cursor(fingerprint, start, end, position)
        await api.get("costs", code=400, **asked(group_by="user"), limit=2, cursor=cursor)
    cursor = encode_cursor(fingerprint, "0001-01-01T00:00:00Z", end, "[]")
    await api.get("costs", code=400, **asked(group_by="user"), limit=2, cursor=cursor)


async def test_a_question_that_takes_too_long_is_refused(
    facts: Pool, database_url: str, topics: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analytics_desk, "LONGEST_S", 0.001)
    desk = AnalyticsDesk(database_url, topic_name(topics, LLM_CALLS))
    await desk.start()
    try:
        with pytest.raises(Refusal) as refusal:
            await desk.rows(Question(period=Window(START, END), group_by=["user", "model"], durations=True))
        assert (refusal.value.status, refusal.value.code) == (422, "too_much")
    finally:
        await desk.stop()


async def test_a_key_sees_its_tenant_only(facts: Pool, api: Api) -> None:
    _, text = await ApiKeys(facts).create("analytics-a", "test")

    async def key_is_needed() -> bool:
        return (await api.get("costs", code=401)) is not None

    try:
        await eventually("a key is needed", lambda: _passes(key_is_needed))
        answer = await api.get("costs", key=text, **PERIOD, group_by="tenant")
        expected = await by_hand(facts, "tenant_id", where="tenant_id = 'analytics-a'")
        assert_equal(answer["rows"], expected, names)
        await api.get("costs", code=403, key=text, **PERIOD, tenant="analytics-b")
        for path in ("performance", "models/compare", "waste"):
            await api.get(path, code=403, key=text, **PERIOD, tenant="analytics-b")
        [total, *_] = (await api.get("waste", key=text, **PERIOD))["rows"]
        own = [row for row in (await api.get("waste", key=text, **PERIOD, by="tenant"))["rows"] if row["group"]]
        assert [row["group"] for row in own] == ["analytics-a"]
        assert own[0]["cost_usd"] == total["cost_usd"]
        assert (await api.get("freshness", key=text))["watermark"] is not None
        assert {row["tenant_id"] for row in (await api.get("../calls", key=text, **PERIOD))["rows"]} == {"analytics-a"}
        await api.get("../calls", code=403, key=text, **PERIOD, tenant="analytics-b")
        for tenant, code in (("analytics-a", 200), ("analytics-b", 404)):
            call_id = await facts.fetchval("SELECT call_id FROM ledger.calls WHERE tenant_id = $1 LIMIT 1", tenant)
            await api.get(f"../calls/{call_id}", code=code, key=text)
    finally:
        await facts.execute("DELETE FROM app.api_keys")
        await eventually("nobody needs a key again", lambda: _passes(lambda: api.get("freshness")))


async def _passes(attempt: Any) -> bool:
    try:
        await attempt()
    except AssertionError:
        return False
    return True
