import { ChevronDown } from "lucide-react";

interface Props<V extends string> {
  readonly label: string;
  readonly value: V;
  readonly options: readonly (readonly [V, string])[];
  readonly onChange: (value: V) => void;
}

/** A choice of one. */
export function Select<V extends string>({ label, value, options, onChange }: Props<V>) {
  return (
    <label className="relative inline-flex items-center">
      <span className="sr-only">{label}</span>
      <select
        value={value}
        onChange={(event) => onChange(event.target.value as V)}
        className="h-8 appearance-none rounded-md border bg-surface py-0 pr-7 pl-2.5 text-[13px] font-medium hover:bg-raised"
      >
        {options.map(([each, name]) => (
          <option key={each} value={each}>
            {name}
          </option>
        ))}
      </select>
      <ChevronDown aria-hidden className="pointer-events-none absolute right-2 size-3.5 text-soft" />
    </label>
  );
}
