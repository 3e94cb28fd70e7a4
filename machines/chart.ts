/** A statechart as pure JSON: guards and actions are names with parameters. */

/** A guard or an action: a name, and parameters that are JSON. */
export interface Named {
  readonly type: string;
  readonly params?: Readonly<Record<string, unknown>>;
}

/** A transition. */
export interface TransitionConfig {
  readonly target?: string;
  readonly guard?: Named;
  readonly actions?: readonly Named[];
}

/** A state. */
export interface StateConfig {
  readonly id?: string;
  readonly type?: "parallel" | "final";
  readonly initial?: string;
  readonly description?: string;
  readonly tags?: readonly string[];
  readonly meta?: Readonly<Record<string, unknown>>;
  readonly entry?: readonly Named[];
  readonly exit?: readonly Named[];
  readonly always?: readonly TransitionConfig[];
  readonly on?: Readonly<Record<string, readonly TransitionConfig[]>>;
  readonly onDone?: readonly TransitionConfig[] | string;
  readonly states?: Readonly<Record<string, StateConfig>>;
}

/** The whole chart, as JSON. */
export type MachineConfig = StateConfig & { readonly id: string };

/** A transition of a chart, by its place: the state's id, the event as XState calls it, and which of those in a row. */
export interface TakenTransition {
  readonly state: string;
  readonly event: string;
  readonly index: number;
}

/** Is told of each transition that is taken. */
export type OnTaken = (taken: TakenTransition) => void;
