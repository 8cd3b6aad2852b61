import { useQuery, type UseQueryResult } from "@tanstack/react-query";
import { refreshEvery } from "@/lib/period";
import { useView } from "@/lib/view";
import { type Answer, type ApiError, type GetPath, get, type Question } from "./client";

export type Asked<T> = UseQueryResult<T, ApiError>;

interface Options {
  /** False: not asked yet. */
  readonly enabled?: boolean;
  /** How often it is asked again, in ms; false: never; by default as often as the period of the view is worth it. */
  readonly every?: number | false;
}

/**
 * What the gateway answers to a question; asked again by itself unless the view says `refresh=off`. While another
 * question of the same grouping and steps is under way the answer to the last one stays.
 */
export function useAnswer<P extends GetPath>(path: P, question: Question<P> = {}, options: Options = {}): Asked<Answer<P>> {
  const { period, search } = useView();
  const every = options.every ?? refreshEvery(period);
  return useQuery<Answer<P>, ApiError>({
    queryKey: [path, question],
    queryFn: ({ signal }) => get(path, question, signal),
    placeholderData: (last, asked) => (asked && shapeOf(asked.queryKey) === shapeOf([path, question]) ? last : undefined),
    enabled: options.enabled ?? true,
    refetchInterval: search.get("refresh") === "off" ? false : every,
  });
}

/** What answers must have in common to stand in the same place: rows of another grouping would be read as what they are not. */
function shapeOf(queryKey: readonly unknown[]): string {
  const [path, question] = queryKey as readonly [string, Question<string>];
  const { group_by: groups, granularity, by } = question.query ?? {};
  return JSON.stringify([path, question.path, groups, granularity, by]);
}
