import { DIMENSION_NAMES, DIMENSIONS, type Dimension, useView } from "@/lib/view";

interface Props {
  readonly heeded: readonly Dimension[];
  /** Whether it follows all values of those, not the first alone. */
  readonly several?: boolean;
}

/** Says which filters of the view a list cannot follow: it would show more than was asked for, and nobody would know. */
export function Unheeded({ heeded, several: all = false }: Props) {
  const { filters } = useView();
  const others = DIMENSIONS.filter((name) => filters[name] !== undefined && !heeded.includes(name));
  const several = all ? [] : heeded.filter((name) => (filters[name]?.length ?? 0) > 1);
  if (others.length === 0 && several.length === 0) return null;
  const said = [
    ...others.map((name) => `${DIMENSION_NAMES[name]} is not followed here`),
    ...several.map((name) => `of ${DIMENSION_NAMES[name]} only ${filters[name]?.[0]} is shown`),
  ];
  return (
    <p role="note" className="border-b bg-warn-wash px-4 py-1.5 text-xs text-warn">
      Filters: {said.join("; ")}.
    </p>
  );
}

/** The one value of each filter that such a list follows. */
export function useOnly(heeded: readonly Dimension[]): Readonly<Partial<Record<Dimension, string>>> {
  const { filters } = useView();
  return Object.fromEntries(heeded.flatMap((name) => (filters[name]?.[0] === undefined ? [] : [[name, filters[name][0]]])));
}
