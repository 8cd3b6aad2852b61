import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { Suspense } from "react";
import { Route, Switch, useLocation } from "wouter";
import { ApiError } from "@/api/client";
import { currentKey, onKeyChange } from "@/api/key";
import { Page } from "@/components/Page";
import { Empty, SkeletonRows } from "@/components/states";
import { Guard } from "./Guard";
import { KeyGate } from "./KeyGate";
import { PAGES } from "./pages";
import { Shell } from "./Shell";

const RETRIES = 2;
const KEPT_MS = 60_000;

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 2_000,
      gcTime: KEPT_MS,
      retry: (failures, error) => error instanceof ApiError && error.passing && failures < RETRIES,
      retryDelay: (failures) => 300 * 2 ** failures,
      networkMode: "always",
    },
  },
});

let key = currentKey();
onKeyChange(() => {
  if (key === currentKey()) return;
  key = currentKey(); // another key sees other calls: nothing that is known may stay
  void client.resetQueries();
});

export function App() {
  return (
    <QueryClientProvider client={client}>
      <Shell>
        <Pages />
      </Shell>
      <KeyGate />
    </QueryClientProvider>
  );
}

function Pages() {
  const [location] = useLocation();
  return (
    <Guard place={location}>
      <Suspense fallback={<SkeletonRows rows={8} />}>
        <Switch>
          {PAGES.map(({ path, pattern, Component }) => (
            <Route key={path} path={pattern ?? path} component={Component} />
          ))}
          <Route>
            <Page title="Nothing here" period={false} filters={false}>
              <Empty title="There is no such page">Choose one at the left, or press / to search.</Empty>
            </Page>
          </Route>
        </Switch>
      </Suspense>
    </Guard>
  );
}
