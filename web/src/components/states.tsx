/** What is shown while there is nothing to show: loading, empty, failed. `Loaded` chooses among them. */

import type { UseQueryResult } from "@tanstack/react-query";
import { CircleAlert, Inbox, RotateCw } from "lucide-react";
import type { ReactNode } from "react";
import { ApiError } from "@/api/client";
import { Button } from "./Button";
import { cx } from "./classes";

export function Skeleton({ className }: { readonly className?: string }) {
  return <div aria-hidden className={cx("skeleton", className ?? "h-4 w-full")} />;
}

/** Lines of a table that is on its way. */
export function SkeletonRows({ rows = 5 }: { readonly rows?: number }) {
  return (
    <div className="space-y-3 p-4" role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, row) => `${100 - ((row * 17) % 45)}%`).map((width) => (
        <div key={width} aria-hidden className="skeleton h-4" style={{ width }} />
      ))}
    </div>
  );
}

interface EmptyProps {
  readonly title: string;
  /** What to do so that there is something. */
  readonly children?: ReactNode;
}

export function Empty({ title, children }: EmptyProps) {
  return (
    <div className="flex flex-col items-center gap-1.5 px-6 py-10 text-center">
      <Inbox aria-hidden className="size-5 text-soft" />
      <p className="text-[13px] font-medium">{title}</p>
      {children === undefined ? null : <div className="max-w-prose text-[13px] text-soft">{children}</div>}
    </div>
  );
}

interface FailedProps {
  readonly error: Error;
  readonly retry: () => void;
  readonly retrying?: boolean;
}

export function Failed({ error, retry, retrying = false }: FailedProps) {
  const title = error instanceof ApiError ? error.title : "This part of the page failed";
  return (
    <div role="alert" className="flex flex-col items-center gap-2 px-6 py-8 text-center">
      <CircleAlert aria-hidden className="size-5 text-bad" />
      <p className="text-[13px] font-medium">{title}</p>
      <p className="max-w-prose text-[13px] break-words text-soft">{error.message}</p>
      <Button icon={<RotateCw aria-hidden className={retrying ? "animate-spin" : ""} />} onClick={retry} disabled={retrying}>
        Try again
      </Button>
    </div>
  );
}

/** Above figures that are there: they could not be brought up to date. */
export function Stale({ error, retry }: FailedProps) {
  return (
    <div role="alert" className="flex flex-wrap items-center gap-2 border-b bg-warn-wash px-4 py-1.5 text-xs text-warn">
      <CircleAlert aria-hidden className="size-3.5" />
      <span className="min-w-0 flex-1 break-words">Not up to date: {error.message}</span>
      <button type="button" className="font-medium underline" onClick={retry}>
        Try again
      </button>
    </div>
  );
}

interface LoadedProps<T> {
  readonly asked: UseQueryResult<T, Error>;
  readonly skeleton?: ReactNode;
  /** What is shown instead when there is an answer with nothing in it. */
  readonly empty?: ReactNode;
  readonly isEmpty?: (data: T) => boolean;
  readonly children: (data: T) => ReactNode;
}

/** An answer in whichever state it is. An error after an answer leaves the answer, with a line above it. */
export function Loaded<T>({ asked, skeleton, empty, isEmpty, children }: LoadedProps<T>) {
  const retry = () => void asked.refetch();
  if (asked.data === undefined) {
    if (asked.isError) return <Failed error={asked.error} retry={retry} retrying={asked.isFetching} />;
    return skeleton ?? <SkeletonRows />;
  }
  return (
    <div aria-busy={asked.isPlaceholderData} className={cx("min-w-0", asked.isPlaceholderData && "opacity-60 transition-opacity")}>
      {asked.isError ? <Stale error={asked.error} retry={retry} /> : null}
      {empty !== undefined && isEmpty?.(asked.data) ? empty : children(asked.data)}
    </div>
  );
}
