import { clock, exactTime } from "@/lib/format";

const MOMENT = /(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d))/;

/** A sentence of the gateway: the times in it as all others are, in the reader's zone. */
export function Message({ text }: { readonly text: string }) {
  return text.split(MOMENT).map((part, index) =>
    index % 2 === 1 ? (
      // The parts of one text have no other name than their place.
      // oxlint-disable-next-line react/no-array-index-key
      <time key={index} dateTime={part} title={exactTime(part)}>
        {clock(part)}
      </time>
    ) : (
      part
    ),
  );
}
