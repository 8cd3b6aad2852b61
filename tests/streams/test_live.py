"""The windows that subscribers of `metrics.live` see: they grow, become complete, and add up to the calls."""

import asyncio
from decimal import Decimal

from observatory.adapters.kafka import new_consumer, read_event, topic_name
from schemas.metrics import MetricsWindow
from schemas.topics import METRICS_LIVE
from streams.folds.recent_calls import RECENT_CALLS
from streams.folds.windows import WINDOWS
from tests.streams.engine.ground import StreamGround
from tests.streams.ledger.calls import call

FOLDS = (RECENT_CALLS, WINDOWS)


async def test_complete_windows_add_up_to_the_calls(ground: StreamGround) -> None:
    calls = [call() for _ in range(120)]
    consumer = new_consumer(ground.settings.kafka, "test")
    await consumer.start()
    consumer.subscribe([topic_name(ground.settings.kafka, METRICS_LIVE)])
    newest: dict[tuple[str, object], MetricsWindow] = {}
    seen: list[MetricsWindow] = []
    try:
        async with ground.workers(FOLDS):
            await ground.produce([call(tenant_id="warm-up")])
            await ground.until_streamed(FOLDS)
            for begin in range(0, 120, 40):
                await ground.produce(calls[begin : begin + 40])
                await asyncio.sleep(0.6)  # so that they fall into several seconds
            async with asyncio.timeout(30):
                while sum(w.calls for w in newest.values() if w.complete) < len(calls) + 1:
                    for records in (await consumer.getmany(timeout_ms=200)).values():
                        for record in records:
                            window = read_event(record, MetricsWindow)[1]
                            seen.append(window)
                            name = (window.tenant_id, window.window_start)
                            if name not in newest or window.revision > newest[name].revision:
                                newest[name] = window
    finally:
        await consumer.stop()
    del newest[next(name for name in newest if name[0] == "warm-up")]
    assert sum((w.cost_usd for w in newest.values()), Decimal(0)) == sum(Decimal(str(c["cost_usd"])) for c in calls)
    assert sum(w.output_tokens for w in newest.values()) == 400 * len(calls)
    for window in newest.values():
        assert window.calls == sum(model.calls for model in window.models)
        assert window.cost_usd == sum((model.cost_usd for model in window.models), Decimal(0))
    assert len({(w.tenant_id, w.window_start, w.revision) for w in seen}) == len(seen)
