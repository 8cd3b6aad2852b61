import { CircleAlert, CircleCheck, TriangleAlert } from "lucide-react";
import { Link } from "wouter";
import type { ConcernView, StatusView } from "@/api/schema";
import type { Asked } from "@/api/useAnswer";
import { Badge } from "@/components/Badge";
import { cx } from "@/components/classes";
import { Message } from "@/components/Message";
import { Loaded, Skeleton } from "@/components/states";
import { useView } from "@/lib/view";

const LOOKS = {
  ok: { icon: CircleCheck, box: "border-good/40 bg-good-wash", ink: "text-good" },
  attention: { icon: TriangleAlert, box: "border-warn/40 bg-warn-wash", ink: "text-warn" },
  wrong: { icon: CircleAlert, box: "border-bad/40 bg-bad-wash", ink: "text-bad" },
} as const;

/** Where more is told of a concern. */
const TOLD_IN: Readonly<Record<ConcernView["kind"], string | null>> = {
  alert: null,
  dead_letters: "letters",
  lag: "processes",
  outbox: "processes",
  process: "processes",
  provider: "processes",
  service: "processes",
  watermark: "processes",
};

function placeOf({ kind, subject }: ConcernView): Readonly<Record<string, string | null>> {
  const topic = kind === "dead_letters" ? subject : null;
  return { view: TOLD_IN[kind], topic, kind: kind === "alert" ? subject : null, state: null, cursor: null };
}

/** Whether anything is wrong right now, in one line, and what it is. */
export function Verdict({ asked }: { readonly asked: Asked<StatusView> }) {
  return (
    <Loaded asked={asked} skeleton={<Skeleton className="h-14 w-full rounded-lg" />}>
      {(status) => <Known status={status} />}
    </Loaded>
  );
}

function Known({ status }: { readonly status: StatusView }) {
  const { href } = useView();
  const { icon: Icon, box, ink } = LOOKS[status.state];
  return (
    <section aria-label="Is anything wrong right now?" className={cx("rounded-lg border px-4 py-3", box)}>
      <p role="status" className={cx("flex items-start gap-2 text-[15px] font-semibold", ink)}>
        <Icon aria-hidden className="mt-0.5 size-5 shrink-0" />
        <span className="min-w-0 break-words">
          <Message text={status.summary} />
        </span>
      </p>
      {status.concerns.length > 0 ? (
        <ul aria-label="What is wrong" className="mt-2 space-y-1 pl-7 text-[13px]">
          {status.concerns.map((concern) => (
            <li key={`${concern.kind} ${concern.severity} ${concern.subject}`} className="flex items-baseline gap-2">
              <Badge tone={concern.severity === "critical" ? "bad" : "warn"}>{concern.severity === "critical" ? "wrong" : "look at it"}</Badge>
              <Link href={href(placeOf(concern))} className="min-w-0 break-words underline decoration-dotted">
                <Message text={concern.sentence} />
              </Link>
            </li>
          ))}
        </ul>
      ) : null}
    </section>
  );
}
