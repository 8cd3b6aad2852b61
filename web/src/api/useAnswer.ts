import { keepPreviousData, useQuery, type UseQueryResult } from "@tanstack/react-query";
import { refreshEvery } from "@/lib/period";
import { useView } from "@/lib/view";
import { type Answer, type ApiError, type GetPath, get, type Question } from "./client";

export type Asked<T> = UseQueryResult<T, ApiError>;

interface Options {
  /** False: not asked yet. */
  readonly enabled?: boolean;
  /** How often it is asked again, in ms; by default as often as the period of the view is worth it. */
  readonly every?: number;
}

/**
 * What the gateway answers to a question; asked again by itself unless the view says `refresh=off`. While another
 * question is under way the answer to the last one stays.
 */
export function useAnswer<P extends GetPath>(path: P, question: Question<P> = {}, options: Options = {}): Asked<Answer<P>> {
  const { period, search } = useView();
  const every = options.every ?? refreshEvery(period);
  return useQuery<Answer<P>, ApiError>({
    queryKey: [path, question],
    queryFn: ({ signal }) => get(path, question, signal),
    placeholderData: keepPreviousData,
    enabled: options.enabled ?? true,
    refetchInterval: search.get("refresh") === "off" ? false : every,
  });
}
