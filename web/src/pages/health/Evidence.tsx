import { CallLink } from "@/components/links";
import { plain } from "@/lib/decimal";

interface Props {
  readonly title: string;
  readonly values: Readonly<Record<string, unknown>>;
}

const CALLS = "look_at";

/** What something was concluded from, field by field as the gateway tells it, and the calls to look at. */
export function Evidence({ title, values }: Props) {
  const fields = Object.entries(values).filter(([name, value]) => name !== CALLS && value !== null);
  const calls = values[CALLS];
  return (
    <details className="mt-1 text-xs">
      <summary className="w-fit text-soft hover:text-ink">{title}</summary>
      <dl className="mt-1 grid grid-cols-[max-content_minmax(0,1fr)] gap-x-4 gap-y-0.5">
        {fields.map(([name, value]) => (
          <div key={name} className="contents">
            <dt className="text-soft">{name.replaceAll("_", " ")}</dt>
            <dd className="break-words">{written(name, value)}</dd>
          </div>
        ))}
      </dl>
      {Array.isArray(calls) ? <Calls ids={calls.map(String)} /> : null}
    </details>
  );
}

export function Calls({ ids }: { readonly ids: readonly string[] }) {
  if (ids.length === 0) return null;
  return (
    <p className="mt-1 flex flex-wrap gap-x-2 gap-y-0.5 text-xs text-soft">
      Calls:
      {ids.map((id) => (
        <CallLink key={id} id={id} />
      ))}
    </p>
  );
}

function written(name: string, value: unknown): string {
  if (typeof value === "string" && name.endsWith("_usd")) return `$${plain(value)}`;
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
