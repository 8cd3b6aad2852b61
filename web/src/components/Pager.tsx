import { ChevronLeft, ChevronRight } from "lucide-react";
import { Link } from "wouter";
import { useView } from "@/lib/view";

const LOOK = "inline-flex h-8 items-center gap-1 rounded-md border bg-surface px-2.5 text-[13px] font-medium hover:bg-raised [&_svg]:size-4";

/** Below a list that comes page by page: its cursor stands in the address. */
export function Pager({ next }: { readonly next: string | null }) {
  const { search, href } = useView();
  const further = search.has("cursor");
  if (next === null && !further) return null;
  return (
    <nav aria-label="Pages of the list" className="flex justify-end gap-2 border-t px-4 py-2">
      {further ? (
        <Link href={href({ cursor: null })} className={LOOK}>
          <ChevronLeft aria-hidden />
          First page
        </Link>
      ) : null}
      {next === null ? null : (
        <Link href={href({ cursor: next })} className={LOOK}>
          Next page
          <ChevronRight aria-hidden />
        </Link>
      )}
    </nav>
  );
}
