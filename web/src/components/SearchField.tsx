import { Search } from "lucide-react";
import { useEffect, useState } from "react";

interface Props {
  readonly label: string;
  readonly value: string;
  readonly onSearch: (text: string) => void;
}

const TYPED_MS = 250;

/** A field that searches as one types, a moment after the last letter. */
export function SearchField({ label, value, onSearch }: Props) {
  const [text, setText] = useState(value);
  const [known, setKnown] = useState(value);
  if (value !== known) {
    setKnown(value); // the address was changed by something else: by going back, by a link
    setText(value);
  }
  useEffect(() => {
    if (text.trim() === value) return undefined;
    const timer = setTimeout(() => onSearch(text.trim()), TYPED_MS);
    return () => clearTimeout(timer);
  }, [text, value, onSearch]);
  return (
    <label className="relative inline-flex min-w-0 items-center">
      <span className="sr-only">{label}</span>
      <Search aria-hidden className="pointer-events-none absolute left-2.5 size-3.5 text-soft" />
      <input
        type="search"
        placeholder={label}
        value={text}
        maxLength={256}
        autoComplete="off"
        onChange={(event) => setText(event.target.value)}
        className="h-8 w-56 max-w-full rounded-md border bg-page pr-2 pl-8 text-[13px] placeholder:text-soft"
      />
    </label>
  );
}
