// A live feed that tells a second's figures whenever the page has taken the last ones, each with other amounts.
window.told = 0;
window.hold = false;
const ask = window.fetch;
window.fetch = (address, options) => {
  if (!String(address).startsWith("/api/v1/live")) return ask(address, options);
  const begin = Math.floor(Date.now() / 1000) - 4000;
  const encoder = new TextEncoder();
  const sums = (number) => ({
    calls: number % 97, errors: number % 3, unpriced_calls: 0, input_tokens: number * 7, output_tokens: number * 3,
    cost_usd: `0.${String(number).padStart(9, "0")}`, latency_p50_ms: 100 + (number % 50),
    latency_p95_ms: 400 + (number % 90), latency_p99_ms: 900, ttft_p95_ms: 120,
  });
  const body = new ReadableStream({
    async pull(controller) {
      await new Promise((drawn) => setTimeout(drawn));
      window.held = window.hold;
      if (window.hold) {
        await new Promise((later) => setTimeout(later, 20));
        controller.enqueue(encoder.encode(": still here\n\n"));
        return;
      }
      const number = window.told++;
      const at = new Date((begin + number) * 1000).toISOString();
      const until = new Date((begin + number + 1) * 1000).toISOString();
      const figures = { tenant_id: null, minute: sums(number), seconds: [{ at, ...sums(number) }] };
      const status = { tenant_id: "default", complete_until: until, in_flight: number % 5, figures };
      controller.enqueue(encoder.encode(`event: status\ndata: ${JSON.stringify(status)}\n\n`));
    },
  });
  return Promise.resolve(new Response(body, { headers: { "content-type": "text/event-stream" } }));
};
