import { useNameIn } from "@/lib/view";
import { OneTrace } from "./OneTrace";
import { TraceList } from "./TraceList";

/** Traces in a list, or one of them. */
export default function Traces() {
  const id = useNameIn("/traces");
  return id === null ? <TraceList /> : <OneTrace key={id} id={id} />;
}
