import { Tabs as Radix } from "radix-ui";
import type { ReactNode } from "react";

interface Props<V extends string> {
  readonly label: string;
  readonly value: V;
  readonly onChange: (value: V) => void;
  readonly tabs: readonly (readonly [V, ReactNode])[];
  readonly children?: ReactNode;
}

/** A row of tabs; what it chooses among is given as `TabPanel`s. */
export function Tabs<V extends string>({ label, value, onChange, tabs, children }: Props<V>) {
  return (
    <Radix.Root value={value} onValueChange={(next) => onChange(next as V)}>
      <Radix.List aria-label={label} className="flex gap-1 overflow-x-auto border-b px-3">
        {tabs.map(([id, name]) => (
          <Radix.Trigger
            key={id}
            value={id}
            className="-mb-px border-b-2 border-transparent px-2 py-2 text-[13px] font-medium whitespace-nowrap text-soft hover:text-ink data-[state=active]:border-accent data-[state=active]:text-ink"
          >
            {name}
          </Radix.Trigger>
        ))}
      </Radix.List>
      {children}
    </Radix.Root>
  );
}

export function TabPanel({ value, children }: { readonly value: string; readonly children: ReactNode }) {
  return (
    <Radix.Content value={value} tabIndex={-1}>
      {children}
    </Radix.Content>
  );
}
