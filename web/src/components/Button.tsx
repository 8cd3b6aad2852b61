import type { ButtonHTMLAttributes, ReactNode, Ref } from "react";
import { cx } from "./classes";

type Look = "plain" | "primary" | "quiet";

const LOOKS: Readonly<Record<Look, string>> = {
  plain: "border bg-surface hover:bg-raised",
  primary: "border border-transparent bg-accent text-accent-ink hover:opacity-90",
  quiet: "border border-transparent text-soft hover:bg-raised hover:text-ink",
};

interface Props extends ButtonHTMLAttributes<HTMLButtonElement> {
  readonly look?: Look;
  readonly icon?: ReactNode;
  readonly ref?: Ref<HTMLButtonElement>;
}

/** A button; one with an icon alone needs an `aria-label`. */
export function Button({ look = "plain", icon, className, children, ...rest }: Props) {
  return (
    <button
      type="button"
      className={cx(
        "inline-flex h-8 items-center justify-center gap-1.5 rounded-md text-[13px] font-medium whitespace-nowrap transition-colors disabled:opacity-50 [&_svg]:size-4",
        children ? "px-2.5" : "w-8",
        LOOKS[look],
        className,
      )}
      {...rest}
    >
      {icon}
      {children}
    </button>
  );
}
