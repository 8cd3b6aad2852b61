import type { ReactNode } from "react";
import { cx } from "./classes";

export interface Column<T> {
  readonly id: string;
  readonly head: ReactNode;
  readonly cell: (row: T) => ReactNode;
  /** Numbers stand at the right. */
  readonly numeric?: boolean;
  /** Left out where there is little room. */
  readonly wide?: boolean;
}

interface Props<T> {
  /** What the table is, for those who do not see it. */
  readonly caption: string;
  readonly columns: readonly Column<T>[];
  readonly rows: readonly T[];
  readonly rowKey: (row: T) => string;
  /** The row that is open. */
  readonly isCurrent?: (row: T) => boolean;
  readonly foot?: ReactNode;
}

/** A dense table that scrolls sideways where it does not fit. */
export function Table<T>({ caption, columns, rows, rowKey, isCurrent, foot }: Props<T>) {
  return (
    // A region that scrolls must be reached with the keyboard.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div role="region" aria-label={caption} tabIndex={0} className="overflow-x-auto">
      <table className="w-full text-[13px]">
        <caption className="sr-only">{caption}</caption>
        <thead>
          <tr className="border-b text-xs text-soft">
            {columns.map((column) => (
              <th
                key={column.id}
                scope="col"
                className={cx("px-2.5 py-2 font-medium whitespace-nowrap first:pl-4 last:pr-4 md:px-4", column.numeric ? "text-right" : "text-left", column.wide && "max-md:hidden")}
              >
                {column.head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={rowKey(row)} className={cx("border-b last:border-0 hover:bg-raised/60", isCurrent?.(row) && "bg-accent-wash")}>
              {columns.map((column) => (
                <td
                  key={column.id}
                  className={cx("px-2.5 py-2 first:pl-4 last:pr-4 md:px-4", column.numeric ? "text-right whitespace-nowrap" : "max-w-80 truncate", column.wide && "max-md:hidden")}
                >
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
        {foot}
      </table>
    </div>
  );
}
