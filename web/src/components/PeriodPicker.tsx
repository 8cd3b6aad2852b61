import { Calendar, Check, ChevronDown } from "lucide-react";
import { type FormEvent, useState } from "react";
import { isToday, named, type Period, PRESETS, today } from "@/lib/period";
import { useView } from "@/lib/view";
import { Button } from "./Button";
import { cx } from "./classes";
import { Popover } from "./Popover";

/** Chooses the period of the view; it is always compared with the one of the same length before it. */
export function PeriodPicker() {
  const { period, set } = useView();
  return (
    <Popover
      label="Period"
      align="end"
      icon={<Calendar aria-hidden />}
      button={
        <>
          <span className="max-w-64 truncate">{named(period)}</span>
          <ChevronDown aria-hidden className="text-soft" />
        </>
      }
      buttonProps={{ "data-hotkey": "period", "aria-label": `Period: ${named(period)}` }}
    >
      {(close) => (
        <Choices
          period={period}
          choose={(changes) => {
            set(changes, "push");
            close();
          }}
        />
      )}
    </Popover>
  );
}

function Choices({ period, choose }: CustomProps) {
  return (
    <>
      <ul>
        {PRESETS.map(({ last, name }) => (
          <Choice key={last} name={name} current={period.last === last} onChoose={() => choose({ last, from: null, to: null })} />
        ))}
        <Choice name="Today" current={isToday(period)} onChoose={() => choose({ ...today() })} />
      </ul>
      <Custom period={period} choose={choose} />
    </>
  );
}

function Choice({ name, current, onChoose }: { readonly name: string; readonly current: boolean; readonly onChoose: () => void }) {
  return (
    <li>
      <button
        type="button"
        aria-current={current}
        onClick={onChoose}
        className="flex w-full items-center justify-between rounded-md px-2.5 py-1.5 text-left text-[13px] hover:bg-raised"
      >
        {name}
        <Check aria-hidden className={cx("size-4 text-accent", !current && "invisible")} />
      </button>
    </li>
  );
}

interface CustomProps {
  readonly period: Period;
  readonly choose: (changes: Record<"last" | "from" | "to", string | null>) => void;
}

function Custom({ period, choose }: CustomProps) {
  const [from, setFrom] = useState(local(period.from));
  const [to, setTo] = useState(local(period.to));
  const backwards = from !== "" && to !== "" && from >= to;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (from === "" || backwards) return;
    choose({ last: null, from: new Date(from).toISOString(), to: to === "" ? null : new Date(to).toISOString() });
  };
  const field = "mt-1 h-8 w-full rounded-md border bg-page px-2 text-[13px]";
  return (
    <form onSubmit={submit} className="mt-1.5 space-y-2 border-t px-2.5 pt-2.5 pb-1">
      <label className="block text-xs text-soft">
        From
        <input type="datetime-local" required value={from} onChange={(event) => setFrom(event.target.value)} className={field} />
      </label>
      <label className="block text-xs text-soft">
        To (empty: now)
        <input type="datetime-local" value={to} onChange={(event) => setTo(event.target.value)} className={field} />
      </label>
      {backwards ? (
        <p role="alert" className="text-xs text-bad">
          It must end after it begins.
        </p>
      ) : null}
      <Button look="primary" type="submit" className="w-full" disabled={from === "" || backwards}>
        Show this period
      </Button>
    </form>
  );
}

/** As a `datetime-local` field writes it: without a zone, in the reader's own. */
function local(moment: string | null): string {
  if (moment === null) return "";
  const at = new Date(moment);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
