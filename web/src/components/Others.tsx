/** The name of the row that sums what a top leaves out. */
export function Others({ row }: { readonly row: { readonly groups: number } }) {
  return <span className="text-soft">{row.groups === 1 ? "1 other" : `${row.groups} others`}</span>;
}
