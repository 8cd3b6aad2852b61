import { useNameIn } from "@/lib/view";
import { CallList } from "./CallList";
import { OneCall } from "./OneCall";

/** Calls in a list, or one of them. */
export default function Calls() {
  const id = useNameIn("/calls");
  return id === null ? <CallList /> : <OneCall key={id} id={id} />;
}
