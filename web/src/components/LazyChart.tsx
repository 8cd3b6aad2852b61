import { type ComponentProps, lazy, Suspense } from "react";
import { Skeleton } from "./states";

const Chart = lazy(async () => ({ default: (await import("./Chart")).Chart }));

/** A chart whose code comes with the first one that is shown. */
export function LazyChart(props: ComponentProps<typeof Chart>) {
  const { height = 200, legend = true } = props;
  return (
    <Suspense
      fallback={
        <div className="p-4" style={{ height: height + (legend ? 28 : 0) }}>
          <Skeleton className="h-full w-full" />
        </div>
      }
    >
      <Chart {...props} />
    </Suspense>
  );
}
