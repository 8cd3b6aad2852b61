import type { ReactNode } from "react";
import type { Asked } from "@/api/useAnswer";
import type { Dimension } from "@/lib/view";
import { Card } from "./Card";
import { Page } from "./Page";
import { Pager } from "./Pager";
import { Loaded, SkeletonRows } from "./states";
import { type Column, Table } from "./Table";
import { Unheeded } from "./Unheeded";
import { Watermark } from "./Watermark";

interface Listed<T> {
  readonly rows: readonly T[];
  readonly next: string | null;
  readonly watermark: string | null;
  readonly complete: boolean;
}

interface Props<T> {
  readonly title: string;
  readonly hint: ReactNode;
  /** What chooses and orders. */
  readonly controls: ReactNode;
  readonly asked: Asked<Listed<T>>;
  /** The filters that the list follows, one value of each; left out: all of them. */
  readonly heeded?: readonly Dimension[];
  readonly empty: ReactNode;
  readonly legend?: ReactNode;
  readonly columns: readonly Column<T>[];
  readonly rowKey: (row: T) => string;
}

/** A page that is one list, page by page: its head, its states and its pager are the same for all of them. */
export function ListPage<T>({ title, hint, controls, asked, heeded, empty, legend, columns, rowKey }: Props<T>) {
  return (
    <Page title={title} watermark={<Watermark until={asked.data?.watermark} complete={asked.data?.complete ?? false} />}>
      <Card hint={hint} aside={controls}>
        {heeded === undefined ? null : <Unheeded heeded={heeded} />}
        <Loaded asked={asked} skeleton={<SkeletonRows rows={12} />} isEmpty={(data) => data.rows.length === 0} empty={empty}>
          {(data) => (
            <>
              {legend}
              <Table caption={title} rows={data.rows} rowKey={rowKey} columns={columns} />
              <Pager next={data.next} />
            </>
          )}
        </Loaded>
      </Card>
    </Page>
  );
}
