import { Dialog } from "@/components/Dialog";
import type { Hotkey } from "./hotkeys";

interface Props {
  readonly open: boolean;
  readonly onClose: () => void;
  readonly hotkeys: readonly Hotkey[];
}

/** All keys, and how figures are to be read. */
export function Help({ open, onClose, hotkeys }: Props) {
  return (
    <Dialog title="Keys" open={open} onClose={onClose}>
      <dl className="grid grid-cols-[auto_1fr] items-center gap-x-4 gap-y-2 p-4 text-[13px]">
        {hotkeys.map(({ keys, held, does }) => (
          <div key={keys} className="contents">
            <dt className="flex gap-1">
              {keys.split(" ").map((key) => (
                <kbd key={key} className="min-w-6 rounded border bg-raised px-1.5 py-0.5 text-center font-mono text-xs">
                  {key}
                </kbd>
              ))}
            </dt>
            <dd>
              {does}
              {held === undefined ? null : <span className="text-soft"> (also Ctrl {held.toUpperCase()})</span>}
            </dd>
          </div>
        ))}
      </dl>
      <p className="border-t p-4 text-[13px] text-soft">
        Amounts are rounded for reading; all digits are in the title of each. “Complete to” says up to when every call is in
        a figure. The address of a page is all of what it shows: share it.
      </p>
    </Dialog>
  );
}
