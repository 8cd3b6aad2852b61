import { Popover } from "radix-ui";
import type { ReactNode, RefObject } from "react";

interface Props {
  readonly anchor: RefObject<HTMLElement | null>;
  readonly label: string;
  readonly align: "start" | "end";
  readonly onClose: () => void;
  readonly children: ReactNode;
}

/** What a `Popover` shows: its code comes when the first one is opened. */
export default function PopoverPanel({ anchor, label, align, onClose, children }: Props) {
  return (
    <Popover.Root open onOpenChange={(open) => open || onClose()}>
      <Popover.Anchor virtualRef={anchor as RefObject<HTMLElement>} />
      <Popover.Portal>
        <Popover.Content
          align={align}
          sideOffset={6}
          collisionPadding={8}
          aria-label={label}
          onCloseAutoFocus={() => anchor.current?.focus()}
          onInteractOutside={(event) => {
            // The button that opened it closes it itself.
            if (event.target instanceof Node && anchor.current?.contains(event.target)) event.preventDefault();
          }}
          className="z-40 w-64 rounded-lg border bg-surface p-2 shadow-xl"
        >
          {children}
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}
