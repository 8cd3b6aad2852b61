import { Component, type ReactNode } from "react";
import { Failed } from "@/components/states";

interface Props {
  /** Another place begins anew. */
  readonly place: string;
  readonly children: ReactNode;
}

interface State {
  readonly error: Error | null;
  readonly place: string;
}

/** Keeps the fault of a page, or code that could not be loaded, from taking the rest along. */
export class Guard extends Component<Props, State> {
  override state: State = { error: null, place: this.props.place };

  static getDerivedStateFromError(error: unknown): Partial<State> {
    return { error: error instanceof Error ? error : new Error(String(error)) };
  }

  static getDerivedStateFromProps(props: Props, state: State): State | null {
    return props.place === state.place ? null : { error: null, place: props.place };
  }

  override render(): ReactNode {
    const { error } = this.state;
    return error ? <Failed error={error} retry={() => window.location.reload()} /> : this.props.children;
  }
}
