"""What is on each dashboard."""

from infra.grafana.shapes import Dashboard, Panel, Variable

USD = "currencyUSD"
TENANT, MODEL = Variable(name="tenant"), Variable(name="model")
GROUP = Variable(name="group", options=("model", "tenant", "provider", "operation"))
OURS = '{job=~"gateway|chat|ledger|streams"}'
BAD_SHARE = ((0.01, "orange"), (0.05, "red"))

OVERVIEW = Dashboard(
    name="overview",
    title="Observatory: overview",
    says="What is spent and served, and whether anything is wrong right now.",
    variables=(TENANT,),
    panels=(
        Panel(title="Calls", kind="stat", query="calls", width=4, height=4),
        Panel(title="Cost", kind="stat", query="cost", unit=USD, width=4, height=4),
        Panel(title="Errors", kind="stat", query="error_rate", unit="percentunit", width=4, height=4,
              thresholds=BAD_SHARE),
        Panel(title="Latency p95", kind="stat", query="p95", unit="ms", width=4, height=4),
        Panel(title="In flight now", kind="stat", query="in_flight", width=4, height=4),
        Panel(title="Complete up to", kind="stat", query="complete_until", unit="dateTimeAsIso", width=4, height=4,
              says="Every record of llm.calls that the broker took up to then is in these numbers."),
        Panel(title="Calls a second, by model", query="calls_per_second", unit="reqps", stacked=True),
        Panel(title="Cost, by model", query="cost_over_time", unit=USD, stacked=True),
        Panel(title="Latency", query="latency_over_time", unit="ms"),
        Panel(title="Errors, by provider", query="errors_over_time", unit="percentunit"),
        Panel(title="What changed most against the period before", kind="table", query="movers",
              units={"cost_usd": USD, "before_usd": USD, "difference_usd": USD}),
        Panel(title="Alerts that stand", kind="table", query="standing_alerts"),
    ),
)  # fmt: skip

COSTS = Dashboard(
    name="costs",
    title="Observatory: costs",
    says="What calls cost, exact; estimated and unpriced amounts are shown apart.",
    variables=(TENANT, MODEL, GROUP),
    period="now-24h",
    refresh="1m",
    panels=(
        Panel(title="Cost", kind="stat", query="total", unit=USD, width=5, height=4),
        Panel(title="of it estimated", kind="stat", query="estimated", unit=USD, width=5, height=4,
              says="Of calls whose usage or end is not known; settled by `observatory reconcile`."),
        Panel(title="Calls without a price", kind="stat", query="unpriced", width=4, height=4,
              thresholds=((1, "orange"),), says="They are missing from every cost."),
        Panel(title="Adjusted besides", kind="stat", query="adjusted", unit=USD, width=5, height=4,
              says="What providers billed beyond the calls, by whole days; in no other number."),
        Panel(title="An hour, at the pace of the last ten minutes", kind="stat", query="per_hour", unit=USD, width=5,
              height=4),
        Panel(title="Cost, by $group", query="over_time", unit=USD, stacked=True),
        Panel(title="Tokens", query="tokens_over_time", stacked=True),
        Panel(title="By model", kind="table", query="by_model",
              units={"cost_usd": USD, "estimated_cost_usd": USD, "usd_per_call": USD}),
        Panel(title="By tenant", kind="table", query="by_tenant", units={"cost_usd": USD, "estimated_cost_usd": USD}),
        Panel(title="Dearest users", kind="table", query="by_user", units={"cost_usd": USD}),
        Panel(title="Dearest conversations", kind="table", query="by_conversation", units={"cost_usd": USD}),
        Panel(title="Dearest calls", kind="table", query="dearest_calls", width=16,
              units={"cost_usd": USD, "total_ms": "ms"}),
        Panel(title="Calls that gave no answer", kind="table", query="failed", width=8, units={"cost_usd": USD}),
    ),
)  # fmt: skip

LATENCY = Dashboard(
    name="latency",
    title="Observatory: latency",
    says="How long calls take, and where the time goes.",
    variables=(TENANT, MODEL),
    panels=(
        Panel(title="Sent to last byte", query="percentiles", unit="ms"),
        Panel(title="Sent to first token", query="first_token", unit="ms"),
        Panel(title="p95, by model", query="p95_by_model", unit="ms"),
        Panel(title="Where the time goes (means)", query="parts", unit="ms", stacked=True),
        Panel(title="Distribution", kind="heatmap", query="distribution", width=24),
        Panel(title="Providers and models side by side", kind="table", query="by_provider", width=16, unit="ms",
              units={"calls": "short", "errors": "short"}),
        Panel(title="Health of providers", kind="table", query="provider_health", width=8),
        Panel(title="Slowest calls", kind="table", query="slowest_calls", width=24,
              units=dict.fromkeys(("total_ms", "queue_ms", "policy_ms", "ttft_ms"), "ms")),
    ),
)  # fmt: skip

PIPELINE = Dashboard(
    name="pipeline",
    title="Observatory: pipeline",
    says="Whether everything flows: processes, lag, watermarks, what waits and what could not be settled.",
    period="now-1h",
    panels=(
        Panel(title="Processes that answer", kind="stat", width=8, height=5,
              promql={"{{job}}": f"sum by (job) (up{OURS})"}),
        Panel(title="Under way", kind="stat", query="under_way", width=8, height=5),
        Panel(title="Alerts of Prometheus", kind="stat", width=8, height=5, thresholds=((1, "red"),),
              promql={"firing": 'count(ALERTS{alertstate="firing"}) or vector(0)'}),
        Panel(title="Lag of consumer groups",
              promql={"{{group}} on {{topic}}": "observatory:consumer_lag_records"}),
        Panel(title="Age of what is complete", unit="s",
              promql={"{{sink}} of {{topic}}": "observatory:complete_until_age_seconds"}),
        Panel(title="Requests in the chat workers", stacked=True,
              promql={"being answered": "sum(observatory_chat_in_flight)",
                      "not yet claimed": "sum(observatory_chat_waiting)",
                      "at rest": "sum(observatory_chat_resting)"}),
        Panel(title="Applied records a second", unit="cps",
              promql={"ledger": "sum(rate(observatory_ledger_events_total[1m]))",
                      "{{fold}}": "sum by (fold) (rate(observatory_stream_events_total[1m]))"}),
        Panel(title="HTTP requests a second", unit="reqps", stacked=True,
              promql={"{{route}}": "observatory:gateway_requests:rate5m"}),
        Panel(title="From a call's end to its fact", query="recorded_late", unit="s"),
        Panel(title="Memory of processes", unit="bytes",
              promql={"{{job}} {{instance}}": f"process_resident_memory_bytes{OURS}"}),
        Panel(title="Processor time", unit="percentunit",
              promql={"{{job}} {{instance}}": f"rate(process_cpu_seconds_total{OURS}[1m])"}),
        Panel(title="How far each sink is complete", kind="table", query="completeness", units={"behind_s": "s"}),
        Panel(title="What waits to be published", kind="table", query="outbox", width=6),
        Panel(title="Dead letters that wait", width=6, promql={"{{topic}}": "observatory:dead_letters_waiting"}),
        Panel(title="Size of tables", kind="table", query="sizes", units={"bytes": "bytes"}),
        Panel(title="Room on the disk", unit="bytes",
              promql={"free": 'min(observatory_disk_free_bytes{job="ledger"})',
                      "database": "max(observatory_database_bytes)"}),
    ),
)  # fmt: skip

BUDGETS = Dashboard(
    name="budgets",
    title="Observatory: budgets and alerts",
    says="How much of each budget is used, and what was and is to be looked at.",
    variables=(TENANT,),
    period="now-24h",
    refresh="1m",
    panels=(
        Panel(title="Used", kind="bargauge", query="used", unit="percentunit", height=10,
              thresholds=((0.8, "orange"), (1.0, "red"))),
        Panel(title="Spending of soft budgets", query="spending", unit=USD, stacked=True, height=10),
        Panel(title="Budgets", kind="table", query="budgets", width=24, height=9,
              units={"limit_usd": USD, "spent_usd": USD, "held_usd": USD, "left_usd": USD, "used": "percentunit"}),
        Panel(title="Held for calls whose cost is not known yet", kind="stat", query="held", width=8, height=6,
              units={"held_usd": USD}),
        Panel(title="Alerts that stand", kind="table", query="standing", width=8, height=6),
        Panel(title="Alerts raised", query="raised", stacked=True, width=8, height=6),
        Panel(title="Alerts", kind="table", query="alerts", width=24, height=10),
    ),
)  # fmt: skip

DASHBOARDS = (OVERVIEW, COSTS, LATENCY, PIPELINE, BUDGETS)
