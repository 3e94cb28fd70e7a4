/** What a user writes: `workflow(name).step(…).signal(…)`. The builder is the definition; each call gives a new one. */
import type { z } from "zod";
import type { RunMachine } from "../../machines/advance.ts";
import type { OnFailure, Plan, RetryPolicy } from "../../machines/plan.ts";
import type { JsonResult, JsonValue, StepContext, UndoContext } from "./context.ts";
import { makeDefinition } from "./definition.ts";

type Schema<T = unknown> = z.ZodType<T>;
type SchemaMap = Readonly<Record<string, Schema>>;
type PayloadsOf<S> = { [K in keyof S]: S[K] extends Schema<infer T> ? T : never };

/** Options of a workflow. `Sent` is what a start is given, `In` what the schema makes of it. */
export interface WorkflowOptions<In, S extends SchemaMap, Out = unknown, Sent = unknown> {
  /** Schema of the input; absent: any JSON. */
  readonly input?: z.ZodType<In, Sent>;
  /** A label for people. */
  readonly version?: string;
  /** Signals with their payloads. When any is declared, others are refused. */
  readonly signals?: S;
  /** `mirror`: reverse of the dependency order, side by side where it is free; `chain`: one after the other. @defaultValue "mirror" */
  readonly compensation?: "mirror" | "chain";
  /** Failed undos are retried, then collected: the run ends as failed and names them. */
  readonly onCompensationFailure?: "collect";
  /** Whether programs that do not know us change runs of this workflow. @defaultValue false */
  readonly foreign?: boolean;
  /** The output of a run; absent: the results of its last steps by name. */
  readonly output?: (results: Record<string, unknown>) => Out;
}

/** Options of a step that both forms share. */
export interface StepOptions {
  /** Attempts after the first that an ordinary error may use up. @defaultValue 3 */
  readonly retries?: number;
  /** @defaultValue 1 s, doubled up to 60 s, ± 25 % */
  readonly retryPolicy?: Partial<RetryPolicy>;
  /** Longest attempt. @defaultValue "300s" */
  readonly timeout?: string | number;
  /** Wait before the step starts. */
  readonly delay?: string | number;
  /** @defaultValue "compensate" when any step has an undo, else "fail_workflow" */
  readonly onFailure?: OnFailure;
}

/** The results that a step sees: only those it names. */
type Seen<Results, Deps extends keyof Results> = { readonly [K in Deps]: Results[K] };

/** What dependents see of a step: undefined is possible after `continue`. */
type Visible<R, F> = F extends "continue" ? Stored<R> | undefined : Stored<R>;
type Stored<R> = R extends undefined | void ? null : R;

/** What dependents see of a signal: null when its time was up, undefined when it failed and the run went on. */
type Received<P, T, F> = P | (T extends "continue" ? null : never) | (F extends "continue" ? undefined : never);

type Fresh<Results, N extends string> = N extends keyof Results ? (string extends N ? N : never) : N;

/**
 * The name of a step, when its result is JSON. The check stands at the name because a check in the handler's own type would keep the
 * literal types of what it returns. Of `unknown` types cannot tell (it is also what stands here until the handler is looked at).
 */
type Returning<R, Name> = unknown extends R
  ? Name
  : [R] extends [JsonValue | void]
    ? Name
    : [R] extends [JsonResult<R>]
      ? Name
      : "the result of this step is not JSON";

/** Handlers without their types, as the engine calls them. */
export interface ErasedHandlers {
  readonly run?: (context: unknown) => unknown;
  readonly compensate?: (context: unknown, result?: unknown) => unknown;
}

/** A definition without its types. */
export interface AnyWorkflow {
  readonly name: string;
  readonly plan: Plan;
  /** Hash of the whole plan; keys compiled machines. */
  readonly planHash: string;
  /** Hash of names and dependencies, as buquet computes it; decides compatibility on the wire. */
  readonly definitionHash: string;
  readonly inputSchema: Schema | undefined;
  readonly signalSchemas: ReadonlyMap<string, Schema>;
  readonly handlers: ReadonlyMap<string, ErasedHandlers>;
  readonly output: ((results: Record<string, unknown>) => unknown) | undefined;
  /** Only for the compiler. */
  readonly types?: {
    readonly input: unknown;
    readonly sent: unknown;
    readonly results: unknown;
    readonly output: unknown;
    readonly signals: unknown;
    readonly nodes: unknown;
  };
}

/** What every definition made here has beside its data. */
export interface CompiledWorkflow extends AnyWorkflow {
  /**
   * The XState machine that its runs follow, with guards and actions; compiled when it is first read. `createActor(workflow.machine,
   * { snapshot: record.machine.snapshot })` loads any run that follows this plan.
   */
  readonly machine: RunMachine["machine"];
}

/** Marks a workflow whose output is what its last steps returned. */
export interface LastResults {
  readonly "results of the last steps": never;
}

/** Types that no step sees. One parameter for all: each costs the compiler something at every step of a chain. */
export interface OuterTypes {
  readonly output: unknown;
  /** What a start takes. */
  readonly sent: unknown;
  /** Payloads of signal nodes, by name. */
  readonly nodes: unknown;
}
interface OuterTypesOf<Out, Sent> extends OuterTypes {
  readonly output: Out;
  readonly sent: Sent;
  readonly nodes: Record<never, never>;
}

/** A workflow: immutable, and complete after every call. */
export interface Workflow<
  In,
  Results,
  Signals,
  Outer extends OuterTypes = OuterTypesOf<LastResults, In>,
> extends CompiledWorkflow {
  readonly types?: {
    readonly input: In;
    readonly sent: Outer["sent"];
    readonly results: Results;
    readonly output: Outer["output"];
    readonly signals: Signals;
    readonly nodes: Outer["nodes"];
  };
  /** Adds a step with options. */
  step<
    const N extends string,
    R,
    const D extends keyof Results & string = never,
    const F extends OnFailure = "fail_workflow",
  >(
    name: Returning<R, Fresh<Results, N>>,
    options: StepOptions & {
      readonly dependsOn?: readonly D[];
      readonly onFailure?: F;
      readonly run: (context: StepContext<In, Seen<Results, D>, Signals>) => Promise<R> | R;
      readonly compensate?: (
        context: UndoContext<In, Seen<Results, D>, Signals>,
        result: Stored<R> | undefined,
      ) => unknown;
    },
  ): Workflow<In, Results & Record<N, Visible<R, F>>, Signals, Outer>;
  /** Adds a step that depends on nothing. */
  step<const N extends string, R>(
    name: Returning<R, Fresh<Results, N>>,
    handler: (context: StepContext<In, Record<never, never>, Signals>) => Promise<R> | R,
  ): Workflow<In, Results & Record<N, Stored<R>>, Signals, Outer>;
  /** Adds a step that another program on the bucket runs. */
  step<const N extends string, const D extends keyof Results & string = never>(
    name: Fresh<Results, N>,
    options: StepOptions & { readonly dependsOn?: readonly D[]; readonly remote: true },
  ): Workflow<In, Results & Record<N, JsonValue>, Signals, Outer>;
  /**
   * Adds a node that waits for the signal of its name, without a handler. Its result is the payload; null when the time was up and
   * `onTimeout` is `"continue"`.
   */
  signal<
    const N extends string,
    P = unknown,
    const D extends keyof Results & string = never,
    const T extends "fail" | "continue" = "fail",
    const F extends OnFailure = "fail_workflow",
  >(
    name: Fresh<Results, N>,
    options?: {
      readonly dependsOn?: readonly D[];
      readonly schema?: Schema<P>;
      readonly timeout?: string | number;
      readonly onTimeout?: T;
      readonly onFailure?: F;
    },
  ): Workflow<
    In,
    Results & Record<N, Received<P, T, F>>,
    Signals,
    { output: Outer["output"]; sent: Outer["sent"]; nodes: Outer["nodes"] & Record<N, P> }
  >;
}

/** The input type of a workflow. */
export type InputOf<W> = W extends { readonly types?: { readonly input: infer In } } ? In : unknown;
/** The output type of a workflow: what `output` returns, else results by step name, of which the last steps are there. */
export type OutputOf<W> = W extends { readonly types?: { readonly results: infer R; readonly output: infer O } }
  ? [O] extends [LastResults]
    ? Partial<R>
    : O
  : unknown;
/** What a start takes: what the schema reads, so that members with a default may be left out. */
type SentTo<W> = W extends { readonly types?: { readonly sent: infer Sent } } ? Sent : unknown;
/** An event of a workflow of which nothing is declared: its type is the name of a signal, the rest is the payload. */
export interface AnyEvent {
  readonly type: string;
  readonly [member: string]: JsonValue;
}

/**
 * The events of a workflow: its declared signals and its signal nodes, `{ type, ...payload }`. Signals whose payload is not an object, or
 * has a member `type` itself, cannot be said so: they are sent by `signal`.
 */
export type EventOf<W> = W extends { readonly types?: { readonly signals: infer S; readonly nodes: infer N } }
  ? EventsOf<S, keyof S> | EventsOf<N, keyof N> extends infer E
    ? [keyof S | keyof N] extends [never]
      ? AnyEvent
      : E
    : never
  : AnyEvent;

/** One event for each name. A payload of which nothing is known may be any object. */
type EventsOf<S, K> = K extends keyof S & string ? EventNamed<K, S[K]> : never;
type EventNamed<K, P> = unknown extends P
  ? AnyEvent & { readonly type: K }
  : P extends readonly unknown[]
    ? never
    : P extends Readonly<Record<string, never>>
      ? { readonly type: K }
      : "type" extends keyof P
        ? never
        : P extends object
          ? { readonly type: K } & P
          : never;

/** Arguments of a typed start. */
export type InputArgument<W> =
  JsonValue extends SentTo<W>
    ? [input?: unknown, options?: { readonly id?: string }]
    : [input: SentTo<W>, options?: { readonly id?: string }];

/**
 * Begins a workflow.
 * @throws {WorkflowError} `invalid` for a name or options that cannot work, with the step that is meant. What only the whole can show
 * (an entangled group, too many steps side by side) is thrown when a client or worker is given the definition.
 */
export function workflow<
  In = JsonValue,
  const S extends SchemaMap = Record<never, never>,
  Out = LastResults,
  Sent = In,
>(
  name: string,
  options: WorkflowOptions<In, S, Out, Sent> = {},
): Workflow<In, Record<never, never>, PayloadsOf<S>, OuterTypesOf<Out, Sent>> {
  return makeDefinition(name, options as WorkflowOptions<unknown, SchemaMap>, []) as unknown as Workflow<
    In,
    Record<never, never>,
    PayloadsOf<S>,
    OuterTypesOf<Out, Sent>
  >;
}

/** Begins a workflow whose steps are made in a loop or from data: nothing about them is known to the compiler. */
export interface UntypedWorkflow extends CompiledWorkflow {
  step(
    name: string,
    handler:
      | ((context: StepContext<JsonValue, Record<string, unknown>, Record<never, never>>) => unknown)
      | UntypedStepOptions,
  ): UntypedWorkflow;
  signal(name: string, options?: Readonly<Record<string, unknown>>): UntypedWorkflow;
}

/** Options of a step whose types are not known. */
export interface UntypedStepOptions extends StepOptions {
  readonly dependsOn?: readonly string[];
  readonly remote?: boolean;
  readonly run?: (context: StepContext<JsonValue, Record<string, unknown>, Record<never, never>>) => unknown;
  readonly compensate?: (
    context: UndoContext<JsonValue, Record<string, unknown>, Record<never, never>>,
    result: unknown,
  ) => unknown;
}

/** Like `workflow`, for steps made in a loop or from data. */
export function untypedWorkflow(name: string, options: WorkflowOptions<unknown, SchemaMap> = {}): UntypedWorkflow {
  return makeDefinition(name, options, []) as unknown as UntypedWorkflow;
}
