import { type ReactNode, useEffect, useId, useRef, useState } from "react";

const GAP = 6;
const MARGIN = 8;

/** Text that is shown on hover and on focus, above everything. What it stands on can be reached with the keyboard. */
export function Hint({ text, children }: { readonly text: string; readonly children: ReactNode }) {
  const [shown, setShown] = useState(false);
  const id = useId();
  const anchor = useRef<HTMLButtonElement>(null);
  const bubble = useRef<HTMLSpanElement>(null);
  useEffect(() => {
    const [at, of] = [anchor.current?.getBoundingClientRect(), bubble.current];
    if (!shown || !at || !of) return;
    of.showPopover();
    const room = document.documentElement.clientWidth - of.offsetWidth - MARGIN;
    const above = at.top - of.offsetHeight - GAP;
    of.style.left = `${Math.max(MARGIN, Math.min(at.left + at.width / 2 - of.offsetWidth / 2, room))}px`;
    of.style.top = `${above < MARGIN ? at.bottom + GAP : above}px`;
  }, [shown]);
  const hide = () => setShown(false);
  return (
    <>
      <button
        ref={anchor}
        type="button"
        className="max-w-full cursor-default truncate text-left"
        aria-describedby={shown ? id : undefined}
        onPointerEnter={() => setShown(true)}
        onPointerLeave={hide}
        onFocus={() => setShown(true)}
        onBlur={hide}
        onKeyDown={(event) => event.key === "Escape" && hide()}
      >
        {children}
      </button>
      {shown ? (
        <span
          ref={bubble}
          id={id}
          role="tooltip"
          popover="manual"
          className="fixed inset-auto m-0 w-max max-w-80 rounded-md border-0 bg-ink px-2.5 py-1.5 text-xs font-normal tracking-normal break-words text-page shadow-lg"
        >
          {text}
        </span>
      ) : null}
    </>
  );
}
