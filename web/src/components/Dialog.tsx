import { X } from "lucide-react";
import { type ReactNode, useEffect, useId, useRef } from "react";
import { Button } from "./Button";
import { cx } from "./classes";

interface Props {
  readonly title: string;
  readonly open: boolean;
  readonly onClose: () => void;
  /** `side`: a drawer at the left; `sheet`: one at the right, for details. */
  readonly place?: "center" | "top" | "side" | "sheet";
  readonly hideTitle?: boolean;
  readonly children: ReactNode;
}

const PLACES = {
  center: "m-auto w-[min(32rem,calc(100vw-2rem))] rounded-xl",
  top: "mx-auto mt-[12vh] mb-auto w-[min(36rem,calc(100vw-2rem))] rounded-xl",
  side: "mr-auto h-dvh max-h-none w-64 rounded-none border-y-0 border-l-0",
  sheet: "ml-auto h-dvh max-h-none w-[min(44rem,100vw)] max-w-none rounded-none border-y-0 border-r-0",
} as const;

/** The browser's own modal dialog: focus stays in it, Escape closes it, and goes back to where it was. */
export function Dialog({ title, open, onClose, place = "center", hideTitle = false, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const element = dialog.current;
    if (!element) return;
    if (open && !element.open) element.showModal();
    else if (!open && element.open) element.close();
  }, [open]);
  return (
    // A click beside it closes it; with the keyboard Escape does.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions
    <dialog
      ref={dialog}
      aria-labelledby={id}
      onClose={onClose}
      onClick={(event) => event.target === dialog.current && onClose()}
      onKeyDown={() => undefined}
      className={cx("border bg-surface p-0 text-ink shadow-2xl", PLACES[place])}
    >
      {open ? (
        <div className="flex max-h-full min-h-0 flex-col">
          <header className={cx("flex items-center gap-3 border-b px-4 py-2", hideTitle && "sr-only")}>
            <h2 id={id} className="min-w-0 flex-1 truncate text-sm font-semibold">
              {title}
            </h2>
            <Button look="quiet" icon={<X aria-hidden />} aria-label="Close" onClick={onClose} />
          </header>
          <div className="min-h-0 flex-1 overflow-y-auto">{children}</div>
        </div>
      ) : (
        <h2 id={id} className="sr-only">
          {title}
        </h2>
      )}
    </dialog>
  );
}
