import { type FormEvent, useState } from "react";
import { setKey, useKey } from "@/api/key";
import { Button } from "@/components/Button";
import { Dialog } from "@/components/Dialog";

/** Asks for an API key when the gateway wants one. It is kept in this tab alone. */
export function KeyGate() {
  const { refused } = useKey();
  const [dismissed, setDismissed] = useState<string | null>(null);
  const [typed, setTyped] = useState("");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (typed.trim() === "") return;
    setKey(typed.trim());
    setTyped("");
  };
  return (
    <Dialog title="API key" open={refused !== null && refused !== dismissed} onClose={() => setDismissed(refused)}>
      <form onSubmit={submit} className="space-y-3 p-4">
        <p className="text-[13px] text-soft">{refused}</p>
        <label className="block text-xs text-soft">
          Key, as <code>observatory keys create</code> printed it
          <input
            type="password"
            name="api-key"
            autoComplete="off"
            value={typed}
            onChange={(event) => setTyped(event.target.value)}
            className="mt-1 h-9 w-full rounded-md border bg-page px-2 font-mono text-[13px] text-ink"
          />
        </label>
        <Button look="primary" type="submit" className="w-full" disabled={typed.trim() === ""}>
          Go on
        </Button>
        <p className="text-xs text-soft">It stays in this tab and is forgotten with it.</p>
      </form>
    </Dialog>
  );
}
