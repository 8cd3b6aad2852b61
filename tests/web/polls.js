// Time in which a page asks again, a thousandfold: what it was answered once is the answer from then on, read anew.
window.asked = 0;
window.hold = false;
const [ask, every, answers] = [window.fetch, window.setInterval, new Map()];
window.setInterval = (run, ms, ...rest) => every(() => window.hold || run(), ms >= 1000 ? ms / 1000 : ms, ...rest);
window.fetch = async (address, options) => {
  const path = String(address);
  if (path.startsWith("/api/v1/live")) return new Promise(() => {});
  window.asked++;
  if (!answers.has(path)) {
    const response = await ask(address, options);
    if (!response.ok) return response;
    answers.set(path, await response.text());
  }
  return new Response(answers.get(path), { headers: { "content-type": "application/json" } });
};
