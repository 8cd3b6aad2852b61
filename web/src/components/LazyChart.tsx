import { type ComponentProps, lazy, Suspense } from "react";
import { Skeleton } from "./states";

const code = import("./Chart");
const Chart = lazy(async () => ({ default: (await code).Chart }));

/** A chart. Its code comes apart from that of the page, which is shown before it is there. */
export function LazyChart(props: ComponentProps<typeof Chart>) {
  const { height = 200 } = props;
  return (
    <Suspense
      fallback={
        <div className="p-4" style={{ height: height + 32 }}>
          <Skeleton className="h-full w-full" />
        </div>
      }
    >
      <Chart {...props} />
    </Suspense>
  );
}
