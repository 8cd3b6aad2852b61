"""Each provider's layouts become the same figures: disjoint buckets, dollars, days in UTC."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

from observatory.rules.drift import BUCKETS, Figures
from tests.observatory.adapters.exports.reading import DAY_S, midnight, read

DAY = date(2026, 10, 3)
MINI = "gpt-4o-mini-2024-07-18"
HAIKU = "claude-haiku-4-5-20251001"


def tokens(**counts: int) -> dict[str, int]:
    return {**dict.fromkeys(BUCKETS, 0), **counts}


def openai_page(*results: dict[str, object]) -> str:
    begin = midnight(3)
    bucket = {"object": "bucket", "start_time": begin, "end_time": begin + DAY_S, "results": list(results)}
    empty = {"object": "bucket", "start_time": begin + DAY_S, "end_time": begin + 2 * DAY_S, "results": []}
    return json.dumps({"object": "page", "data": [bucket, empty], "has_more": False, "next_page": None})


def anthropic_page(*results: dict[str, object]) -> str:
    bucket = {"starting_at": "2026-10-03T00:00:00Z", "ending_at": "2026-10-04T00:00:00Z", "results": list(results)}
    return json.dumps({"data": [bucket], "has_more": False, "next_page": None})


OPENAI_USED: dict[str, object] = {
    "object": "organization.usage.completions.result", "num_model_requests": 7, "model": MINI, "input_tokens": 1000,
    "input_cached_tokens": 300, "input_cache_write_tokens": 100, "input_audio_tokens": 50, "input_image_tokens": 20,
    "output_tokens": 200, "output_audio_tokens": 30, "input_uncached_tokens": 600, "input_text_tokens": 530,
    "output_text_tokens": 170, "input_cached_text_tokens": 300, "project_id": None, "user_id": None, "batch": None,
    "api_key_id": None, "service_tier": None, "api_source": None,
}  # fmt: skip
OPENAI_TOKENS = tokens(
    uncached_input_tokens=530, cache_read_tokens=300, cache_write_5m_tokens=100, output_tokens=170,
    input_audio_tokens=50, output_audio_tokens=30, input_image_tokens=20,
)  # fmt: skip


def test_openai_s_usage_counts_each_token_once(tmp_path: Path) -> None:
    file = tmp_path / "usage.json"
    file.write_text(openai_page(OPENAI_USED, {**OPENAI_USED, "batch": True, "num_model_requests": 1}))
    _, said = read("openai", file)
    double = {name: 2 * count for name, count in OPENAI_TOKENS.items()}
    assert said.usage[MINI, DAY] == Figures(calls=8, tokens=double)
    assert said.days == {DAY, date(2026, 10, 4)}
    assert said.figures((MINI, date(2026, 10, 4))).calls == 0


def test_openai_s_usage_download_is_its_api_in_columns(tmp_path: Path) -> None:
    names = {"start_time": midnight(3), "end_time": midnight(4), "start_time_iso": "2026-10-03T00:00:00+00:00"}
    row = {**names, **{name: "" if value is None else value for name, value in OPENAI_USED.items() if name != "object"}}
    row |= {"project_name": "Search", "user_email": "a@example.com"}
    empty = {**dict.fromkeys(row, ""), "start_time": midnight(4), "end_time": midnight(5)}
    file = tmp_path / "usage.csv"
    lines = [",".join(row), *(",".join(str(value) for value in one.values()) for one in (row, empty))]
    file.write_text("\ufeff" + "\r\n".join(lines) + "\r\n", encoding="utf-8")
    _, said = read("openai", file)
    assert said.usage == {(MINI, DAY): Figures(calls=7, tokens=OPENAI_TOKENS)}
    assert said.days == {DAY, date(2026, 10, 4)}


def test_openai_s_embeddings_are_input(tmp_path: Path) -> None:
    file = tmp_path / "usage.json"
    embedded = {"object": "organization.usage.embeddings.result", "num_model_requests": 2, "input_tokens": 90}
    file.write_text(openai_page({**embedded, "model": "text-embedding-3-small"}))
    _, said = read("openai", file)
    assert said.usage["text-embedding-3-small", DAY] == Figures(calls=2, tokens=tokens(uncached_input_tokens=90))


def test_openai_s_costs_are_exact_and_belong_to_the_model_of_their_line_item(tmp_path: Path) -> None:
    item = {"object": "organization.costs.result", "project_id": "proj_1", "quantity": 3.5}
    amounts = [
        (f"{MINI}, input", "0.1000000000000000055"), (f"priority | {MINI}, output, long context", "0.2"),
        (f"{MINI}, cached input", "0E-6176"), ("web search tool calls", "0.01"),
    ]  # fmt: skip
    results = [{**item, "line_item": name, "amount": {"value": "AMOUNT", "currency": "usd"}} for name, _ in amounts]
    text = openai_page(*results)
    for _, amount in amounts:
        text = text.replace('"AMOUNT"', amount, 1)  # as a number: it must not have been a float
    file = tmp_path / "costs.json"
    file.write_text(text)
    _, said = read("openai", file)
    assert {key[0]: figures.usd for key, figures in said.costs.items()} == {
        MINI: Decimal("0.3000000000000000055"), "web search tool calls": Decimal("0.01")
    }  # fmt: skip
    assert said.figures(("another", DAY)).usd == 0


def test_openai_s_cost_download_is_its_api_in_columns(tmp_path: Path) -> None:
    file = tmp_path / "cost.csv"
    file.write_text(
        "start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,line_item,project_id,"
        "organization_id,organization_name\n"
        f'{midnight(3)},{midnight(4)},,,0.003835980000000000000000000000,usd,"{MINI}, input",p,org-1,Ours\n'
        f"{midnight(4)},{midnight(5)},,,,,,,,\n"
    )
    _, said = read("openai", file)
    assert said.costs == {(MINI, DAY): Figures(usd=Decimal("0.00383598"))}
    assert said.cost_days == {DAY, date(2026, 10, 4)}


def test_anthropic_s_usage_report_is_disjoint_already_and_counts_no_calls(tmp_path: Path) -> None:
    used = {
        "model": HAIKU, "uncached_input_tokens": 1500, "cache_read_input_tokens": 200, "output_tokens": 500,
        "cache_creation": {"ephemeral_1h_input_tokens": 1000, "ephemeral_5m_input_tokens": 70},
        "server_tool_use": {"web_search_requests": 10}, "service_tier": "standard", "context_window": "0-200k",
        "api_key_id": "apikey_1", "workspace_id": None,
    }  # fmt: skip
    file = tmp_path / "usage_report.json"
    file.write_text(anthropic_page(used))
    _, said = read("anthropic", file)
    assert said.usage[HAIKU, DAY] == Figures(
        tokens=tokens(
            uncached_input_tokens=1500,
            cache_read_tokens=200,
            cache_write_5m_tokens=70,
            cache_write_1h_tokens=1000,
            output_tokens=500,
        )
    )
    assert said.figures(("another", DAY)).calls is None


def test_anthropic_s_cost_report_is_in_cents(tmp_path: Path) -> None:
    row: dict[str, object] = {
        "currency": "USD",
        "workspace_id": None,
        "context_window": "0-200k",
        "service_tier": "standard",
    }
    token = {**row, "model": HAIKU, "cost_type": "tokens", "description": "Usage"}
    searches = {**row, "model": None, "cost_type": "web_search", "description": "Web Search Usage", "amount": "1"}
    file = tmp_path / "cost_report.json"
    file.write_text(anthropic_page(
        {**token, "token_type": "output_tokens", "amount": "123.45"},
        {**token, "token_type": "uncached_input_tokens", "amount": "0.0000001"}, searches,
    ))  # fmt: skip
    _, said = read("anthropic", file)
    assert said.costs == {
        (HAIKU, DAY): Figures(usd=Decimal("1.234500001")), ("Web Search Usage", DAY): Figures(usd=Decimal("0.01"))
    }  # fmt: skip


def test_anthropic_s_usage_download(tmp_path: Path) -> None:
    file = tmp_path / "usage.csv"
    file.write_text(
        "usage_date_utc,model_version,api_key,workspace,usage_type,context_window,usage_input_tokens_no_cache,"
        "usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,"
        "usage_output_tokens,web_search_count,inference_geo,speed\n"
        f"2026-10-03,{HAIKU},key,Default,standard,≤ 200k,100,1,2,3,50,4,global,\n",
        encoding="utf-8",
    )
    _, said = read("anthropic", file)
    assert said.usage[HAIKU, DAY].tokens == tokens(
        uncached_input_tokens=100, cache_write_5m_tokens=1, cache_write_1h_tokens=2, cache_read_tokens=3,
        output_tokens=50,
    )  # fmt: skip


def test_anthropic_s_cost_download_is_in_dollars_and_names_models_as_people_do(tmp_path: Path) -> None:
    file = tmp_path / "cost.csv"
    columns = "usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,list_price_usd"
    file.write_text(
        f"{columns},cost_type,inference_geo,speed,api_key_id,api_key_status\n"
        "2026-10-03,Claude Haiku 4.5,Default,k,message,≤ 200k,input_no_cache,0.05,0.05,token,global,,a1,active\n"
        "2026-10-03,Claude Haiku 4.5,Default,k,message,≤ 200k,output,0.25,0.25,token,global,,a1,active\n"
        "2026-10-03,,Default,k,message,,,0.01,0.01,web_search,,,a1,active\n",
        encoding="utf-8",
    )
    _, said = read("anthropic", file)
    assert {key[0]: figures.usd for key, figures in said.costs.items()} == {
        "claude-haiku-4-5": Decimal("0.30"), "web_search": Decimal("0.01")
    }  # fmt: skip


def test_pages_of_json_lines_and_of_a_list_are_one_export(tmp_path: Path) -> None:
    pages = [json.loads(openai_page({**OPENAI_USED, "project_id": name})) | {"has_more": name == "a"} for name in "ab"]
    lines, listed = tmp_path / "pages.jsonl", tmp_path / "pages.json"
    lines.write_text("\n".join(map(json.dumps, pages)))
    listed.write_text(json.dumps(pages))
    assert read("openai", lines)[1] == read("openai", listed)[1]
    assert read("openai", lines)[1].usage[MINI, DAY].calls == 14


def test_hours_sum_up_to_their_day_at_the_price_of_their_hour(tmp_path: Path) -> None:
    begin = midnight(3)
    plain = {name: value for name, value in OPENAI_USED.items() if name in ("object", "model", "num_model_requests")}
    hours = [
        {"start_time": begin + n * 3600, "end_time": begin + (n + 1) * 3600,
         "results": [{**plain, "input_tokens": 1_000_000, "output_tokens": 0}]}
        for n in range(24)
    ]  # fmt: skip
    file = tmp_path / "usage.json"
    file.write_text(json.dumps({"data": hours, "has_more": False}))
    _, said = read("openai", file)
    assert said.priced
    # gpt-4o-mini: 0.15 dollars for a million tokens of input, 24 millions.
    assert said.figures((MINI, DAY)).usd == Decimal("3.60")


def test_a_day_without_usage_is_not_a_day_without_costs(tmp_path: Path) -> None:
    usage, costs = tmp_path / "usage.json", tmp_path / "costs.json"
    usage.write_text(openai_page(OPENAI_USED))
    amount = {"value": 1, "currency": "usd"}
    billed: dict[str, object] = {"object": "organization.costs.result", "amount": amount, "line_item": MINI}
    costs.write_text(json.dumps({"data": json.loads(openai_page(billed))["data"][:1]}))
    _, said = read("openai", usage, costs)
    assert said.usage_days == {DAY, date(2026, 10, 4)}
    assert said.cost_days == {DAY}
    assert said.figures((MINI, date(2026, 10, 4))).usd is None


def test_an_export_without_a_row_says_that_nothing_was_used_and_nothing_billed(tmp_path: Path) -> None:
    file = tmp_path / "nothing.json"
    file.write_text(openai_page())
    _, said = read("openai", file)
    assert said.figures((MINI, DAY)) == Figures(calls=0, tokens=tokens(), usd=Decimal(0))
