import { ListFilter, X } from "lucide-react";
import { type FormEvent, useState } from "react";
import { DIMENSION_NAMES, DIMENSIONS, type Dimension, useView } from "@/lib/view";
import { Button } from "./Button";
import { Popover } from "./Popover";

/** Which calls the view is about: a chip for each value, and a form that adds one. */
export function Filters() {
  const { filters, set } = useView();
  const chosen = DIMENSIONS.flatMap((name) => (filters[name] ?? []).map((value) => ({ name, value })));
  return (
    <div className="flex flex-wrap items-center gap-1.5">
      {chosen.map(({ name, value }) => (
        <span key={`${name} ${value}`} className="inline-flex h-7 max-w-full items-center gap-1 rounded-md bg-accent-wash pl-2 text-xs text-accent">
          <span className="truncate">
            {DIMENSION_NAMES[name]}: <b className="font-semibold">{value || "(empty)"}</b>
          </span>
          <button
            type="button"
            aria-label={`Remove the filter ${DIMENSION_NAMES[name]}: ${value}`}
            onClick={() => set({ [name]: (filters[name] ?? []).filter((each) => each !== value) }, "push")}
            className="inline-flex size-6 items-center justify-center rounded"
          >
            <X aria-hidden className="size-3.5" />
          </button>
        </span>
      ))}
      <Popover label="Add a filter" look="quiet" icon={<ListFilter aria-hidden />} button="Filter" buttonProps={{ "data-hotkey": "filter" }}>
        {(close) => (
          <AddFilter
            add={(name, value) => {
              set({ [name]: [...new Set([...(filters[name] ?? []), value])] }, "push");
              close();
            }}
          />
        )}
      </Popover>
    </div>
  );
}

function AddFilter({ add }: { readonly add: (name: Dimension, value: string) => void }) {
  const [name, setName] = useState<Dimension>("model");
  const [value, setValue] = useState("");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (value.trim() !== "") add(name, value.trim());
  };
  const field = "mt-1 h-8 w-full rounded-md border bg-page px-2 text-[13px] text-ink";
  return (
    <form onSubmit={submit} className="space-y-2 p-1">
      <label className="block text-xs text-soft">
        Only calls with this
        <select value={name} onChange={(event) => setName(event.target.value as Dimension)} className={field}>
          {DIMENSIONS.map((each) => (
            <option key={each} value={each}>
              {DIMENSION_NAMES[each]}
            </option>
          ))}
        </select>
      </label>
      <label className="block text-xs text-soft">
        which is exactly
        <input value={value} maxLength={256} autoComplete="off" onChange={(event) => setValue(event.target.value)} className={field} />
      </label>
      <Button look="primary" type="submit" className="w-full" disabled={value.trim() === ""}>
        Add the filter
      </Button>
    </form>
  );
}
