export const COLORS = ["--s1", "--s2", "--s3", "--s4", "--s5", "--s6", "--s7", "--s8"] as const;

/** The colour of the n-th series. */
export function colorOf(index: number): string {
  return `var(${COLORS[Math.min(index, COLORS.length - 1)]})`;
}
