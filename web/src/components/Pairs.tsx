import { Fragment, type ReactNode } from "react";
import { Link } from "wouter";

interface Props {
  readonly label: string;
  /** What has no value is left out. */
  readonly pairs: readonly (readonly [string, ReactNode])[];
}

/** Names with their values below each other. */
export function Pairs({ label, pairs }: Props) {
  return (
    <dl aria-label={label} className="grid grid-cols-[minmax(5rem,2fr)_minmax(0,3fr)] gap-x-4 gap-y-1.5 px-4 py-3 text-[13px]">
      {pairs
        .filter(([, value]) => value !== null && value !== undefined && value !== "")
        .map(([name, value]) => (
          <div key={name} className="contents">
            <dt className="[overflow-wrap:anywhere] text-soft">
              {name.split(".").map((part, index) => (
                // A name with points is broken at one of them.
                // oxlint-disable-next-line react/no-array-index-key
                <Fragment key={index}>
                  {index > 0 ? <>.<wbr /></> : null}
                  {part}
                </Fragment>
              ))}
            </dt>
            <dd className="[overflow-wrap:anywhere]">{value}</dd>
          </div>
        ))}
    </dl>
  );
}

export function TextLink({ href, children }: { readonly href: string; readonly children: ReactNode }) {
  return (
    <Link href={href} className="[overflow-wrap:anywhere] text-accent hover:underline">
      {children}
    </Link>
  );
}
