import { useNameIn } from "@/lib/view";
import { ConversationList } from "./ConversationList";
import { OneConversation } from "./OneConversation";

/** Conversations in a list, or one of them. */
export default function Conversations() {
  const name = useNameIn("/conversations");
  return name === null ? <ConversationList /> : <OneConversation key={name} name={name} />;
}
