import { useQueryClient } from "@tanstack/react-query";
import { RotateCw } from "lucide-react";
import { useState } from "react";
import { Link } from "wouter";
import type { DeadLetterPage, DeadLetterTopic, DeadLetterTopics } from "@/api/schema";
import { ApiError, post } from "@/api/client";
import { useAnswer } from "@/api/useAnswer";
import { Badge } from "@/components/Badge";
import { Button } from "@/components/Button";
import { Dialog } from "@/components/Dialog";
import { Count } from "@/components/Figure";
import { Empty, Loaded } from "@/components/states";
import { Table } from "@/components/Table";
import { clock, count, exactTime } from "@/lib/format";
import { useView } from "@/lib/view";

const EVERY_MS = 10_000;

function there({ topics }: DeadLetterTopics): readonly DeadLetterTopic[] {
  return topics.filter((one) => one.records > 0);
}

/** Records that could not be read, by topic and reason; as they came; and sending them again. For operators. */
export function DeadLetters() {
  const { search, href } = useView();
  const asked = useAnswer("/api/v1/dead-letters", {}, { every: EVERY_MS });
  const topic = search.get("topic");
  return (
    <>
      <Loaded
        asked={asked}
        isEmpty={(data) => there(data).length === 0}
        empty={<Empty title="There are no dead letters">A record that cannot be read is kept here as it came, with the reason.</Empty>}
      >
        {(data) => (
          <Table
            caption="Dead letters by topic"
            rows={there(data)}
            rowKey={(row) => row.topic}
            isCurrent={(row) => row.topic === topic}
            columns={[
              {
                id: "topic",
                head: "Came from",
                cell: (row) => (
                  <Link href={href({ topic: row.topic })} className="font-medium text-accent hover:underline">
                    {row.topic}
                  </Link>
                ),
              },
              { id: "records", head: "Records", numeric: true, cell: (row) => <Count value={row.records} /> },
              { id: "waiting", head: "Not sent again", numeric: true, cell: (row) => <Count value={row.waiting} /> },
              {
                id: "reasons",
                head: "Why",
                wide: true,
                cell: (row) => <span title={row.reasons.map((each) => `${each.records} × ${each.reason}`).join("\n")}>{row.reasons[0]?.reason}</span>,
              },
            ]}
          />
        )}
      </Loaded>
      {topic === null ? null : <Letters topic={topic} waiting={asked.data?.topics.find((one) => one.topic === topic)?.waiting ?? 0} />}
    </>
  );
}

function Letters({ topic, waiting }: { readonly topic: string; readonly waiting: number }) {
  const asked = useAnswer("/api/v1/dead-letters/{topic}", { path: { topic }, query: { limit: 50 } }, { every: EVERY_MS });
  return (
    <section aria-label={`Dead letters of ${topic}`} className="border-t">
      <Loaded asked={asked} isEmpty={(data) => data.letters.length === 0} empty={<Empty title={`None of ${topic}`} />}>
        {(data) => (
          <>
            <header className="flex flex-wrap items-center gap-2 px-4 py-2">
              <h2 className="text-[13px] font-semibold">{topic}</h2>
              <p className="text-xs text-soft">the latest 50, latest first</p>
              <Retry page={data} waiting={waiting} />
            </header>
            <ul aria-label={`Letters of ${topic}`} className="divide-y border-t">
              {data.letters.map((letter) => (
                <li key={letter.offset} className="px-4 py-2.5">
                  <div className="flex flex-wrap items-baseline gap-x-2 gap-y-1 text-[13px]">
                    <Badge tone={letter.waiting ? "warn" : "neutral"}>{letter.waiting ? "waits" : "sent again"}</Badge>
                    <span className="min-w-0 flex-1 basis-64 font-medium break-words">{letter.reason}</span>
                    <time className="text-xs text-soft" dateTime={letter.appended_at} title={exactTime(letter.appended_at)}>
                      {clock(letter.appended_at)}
                    </time>
                  </div>
                  <p className="mt-0.5 text-xs text-soft">
                    number {letter.offset}, from partition {letter.source_partition ?? "?"} offset {letter.source_offset ?? "?"}
                    {letter.key === null ? "" : `, key ${letter.key}`}, {count(letter.bytes)} bytes
                  </p>
                  <details className="mt-1 text-xs">
                    <summary className="w-fit text-soft hover:text-ink">The record</summary>
                    {/* A region that scrolls must be reached with the keyboard. */}
                    {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
                    <pre tabIndex={0} className="mt-1 max-h-48 overflow-auto rounded bg-raised p-2 font-mono whitespace-pre-wrap break-all">
                      {letter.text}
                    </pre>
                  </details>
                </li>
              ))}
            </ul>
          </>
        )}
      </Loaded>
    </section>
  );
}

/** Sends those that wait again, up to the last one that is shown, after a question. */
function Retry({ page, waiting }: { readonly page: DeadLetterPage; readonly waiting: number }) {
  const [open, setOpen] = useState(false);
  const [busy, setBusy] = useState(false);
  const [said, setSaid] = useState<string | null>(null);
  const client = useQueryClient();
  const newest = page.letters[0];
  const send = async () => {
    setBusy(true);
    try {
      const { sent } = await post("/api/v1/dead-letters/{topic}/retry", { path: { topic: page.topic } }, { up_to: newest?.offset ?? null });
      setSaid(`${count(sent)} sent again`);
      await client.invalidateQueries();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setSaid(`Nothing was sent, or not all: ${error.message}`);
    } finally {
      setBusy(false);
      setOpen(false);
    }
  };
  return (
    <div className="ml-auto flex items-center gap-2">
      <p role="status" className="text-xs text-soft">
        {said}
      </p>
      <Button icon={<RotateCw aria-hidden />} disabled={waiting === 0} onClick={() => setOpen(true)}>
        Send again
      </Button>
      <Dialog title={`Send dead letters of ${page.topic} again?`} open={open} onClose={() => setOpen(false)}>
        <div className="space-y-3 p-4 text-[13px]">
          <p>
            Those that wait, up to number {newest?.offset}, go to {page.topic} as they came. What was not mended comes back here; what was sent already is not sent
            twice.
          </p>
          <div className="flex justify-end gap-2">
            <Button onClick={() => setOpen(false)}>Cancel</Button>
            <Button look="primary" disabled={busy} onClick={() => void send()}>
              Send them again
            </Button>
          </div>
        </div>
      </Dialog>
    </div>
  );
}
