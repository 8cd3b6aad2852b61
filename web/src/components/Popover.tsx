import { type ButtonHTMLAttributes, lazy, type ReactNode, Suspense, useRef, useState } from "react";
import { Button } from "./Button";

const Panel = lazy(() => import("./PopoverPanel"));

interface Props {
  /** What it is for, also the name of what opens. */
  readonly label: string;
  readonly align?: "start" | "end";
  readonly look?: "plain" | "quiet";
  readonly icon?: ReactNode;
  readonly button: ReactNode;
  readonly buttonProps?: ButtonHTMLAttributes<HTMLButtonElement> & { readonly "data-hotkey"?: string };
  readonly children: (close: () => void) => ReactNode;
}

/** A button, and what it opens beside it. */
export function Popover({ label, align = "start", look = "plain", icon, button, buttonProps, children }: Props) {
  const [open, setOpen] = useState(false);
  const anchor = useRef<HTMLButtonElement>(null);
  const close = () => setOpen(false);
  return (
    <>
      <Button ref={anchor} look={look} icon={icon} aria-haspopup="dialog" aria-expanded={open} onClick={() => setOpen(!open)} {...buttonProps}>
        {button}
      </Button>
      {open ? (
        <Suspense fallback={null}>
          <Panel anchor={anchor} label={label} align={align} onClose={close}>
            {children(close)}
          </Panel>
        </Suspense>
      ) : null}
    </>
  );
}
