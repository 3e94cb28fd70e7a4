/** The builder `workflow(name).step(…).signal(…)`. The builder is the definition, and each call returns a new one. */
import type { AnyStateMachine } from "xstate";
import type { OnFailure, Plan } from "../../machines/plan/plan.ts";
import type { RetryPolicy } from "../../machines/program.ts";
import type { Duration } from "../wire/duration.ts";
import type { JsonResult, JsonValue, StepContext, Stored, UndoContext } from "./context.ts";
import { makeDefinition } from "./definition.ts";
import type { Schema } from "./schema.ts";

/** A type without names: no results, no signals. */
export type None = Readonly<Record<never, never>>;

/** One schema for each signal. When the input type was given explicitly, the payload types must be given explicitly as well. */
export type SignalSchemas<Signals, SentSignals> = [keyof Signals] extends [never]
  ? Readonly<Record<string, "name the payloads too: workflow<Input, { signal: Payload }>(name, …)">>
  : { readonly [K in keyof Signals]: Schema<unknown, Signals[K]> } & {
      readonly [K in keyof SentSignals]: Schema<SentSignals[K], unknown>;
    };

/**
 * Options of `workflow`. `Sent` and `SentSignals` are the types that callers pass; `In` and `Signals` are what the schemas make of them.
 */
export interface WorkflowOptions<In = unknown, Signals = unknown, Sent = unknown, SentSignals = unknown> {
  /** The schema of the input, from any library that implements Standard Schema (zod, valibot, arktype …). @defaultValue any JSON value */
  readonly input?: Schema<Sent, In>;
  /** A label for people. It is stored and shown; nothing depends on it. @defaultValue none */
  readonly version?: string;
  /**
   * The schemas of the payloads, by the name of the signal. When at least one signal is declared, all other names are refused.
   * @defaultValue any name, with any JSON payload
   */
  readonly signals?: SignalSchemas<Signals, SentSignals>;
  /**
   * The order of the undos. `mirror`: the reverse of the dependency order, in parallel where the dependencies allow it. `chain`: one after
   * the other. An undo that fails is retried; when its retries are used up, the others still run, and the run ends as failed and names it.
   * @defaultValue "mirror"
   */
  readonly compensation?: "mirror" | "chain";
  /**
   * Whether programs other than this package change runs of this workflow. Workers then poll its open runs, which costs requests.
   * @defaultValue false
   */
  readonly foreign?: boolean;
}

/** The options of a step that do not depend on its types. */
export interface CommonStepOptions {
  /** How many times the step is retried after an ordinary error. @defaultValue 3 */
  readonly retries?: number;
  /**
   * How long to wait before each retry. Members that are left out keep their defaults.
   * @defaultValue 1 s, doubled for each retry up to 60 s, ± 25 %
   */
  readonly retryPolicy?: Partial<RetryPolicy>;
  /**
   * The longest time that one attempt may take: `"30s"` or milliseconds. An attempt that takes longer fails and is retried.
   * @defaultValue "300s"
   */
  readonly timeout?: Duration;
  /** How long the step waits after its dependencies are over: `"30s"` or milliseconds. The wait holds no worker. @defaultValue 0 */
  readonly delay?: Duration;
}

/** Options of a step. The type of the result is inferred from `run`, so write `run` before `compensate`. */
export interface StepOptions<In, Results, Signals, D extends keyof Results, R, F, Remote> extends CommonStepOptions {
  /** The steps that must be over before this one starts. `ctx.results` holds their results. @defaultValue none */
  readonly dependsOn?: readonly D[];
  /**
   * What happens to the run when the step has failed and is not retried any more.
   * @defaultValue "compensate" when any step has an undo, otherwise "fail_workflow"
   */
  readonly onFailure?: F;
  /** Whether another program on the bucket runs the step. Such a step has no `run`. @defaultValue false */
  readonly remote?: Remote;
  /**
   * The handler. Its return value is the result of the step and is stored as JSON. It may run more than once: use `ctx.idempotencyKey` for
   * effects that must happen once.
   */
  readonly run?: (context: StepContext<In, Seen<Results, NoInfer<D>>, Signals>) => Promise<R> | R;
  /**
   * The undo. It runs during a rollback when the step completed, or when it may have had effects. `result` is undefined when there is no
   * result.
   */
  readonly compensate?: (
    context: UndoContext<In, Seen<Results, NoInfer<D>>, Signals>,
    result: Stored<R> | undefined,
  ) => unknown;
}

/** Requires a handler, unless another program runs the step. */
export interface StepNeedsRun {
  /** The handler. */
  readonly run: unknown;
}
/** Refuses a handler for a step that another program runs. */
export interface RemoteStep {
  /** Must be left out. */
  readonly run?: never;
}

/** Options of a signal node. */
export interface SignalOptions<D, Received, Sent, T, F> {
  /** The steps that must be over before the wait begins. @defaultValue none */
  readonly dependsOn?: readonly D[];
  /** The schema of the payload. @defaultValue the schema in `signals` of the workflow, otherwise any JSON value */
  readonly schema?: Schema<Sent, Received>;
  /** The longest wait: `"7d"` or milliseconds. @defaultValue no limit */
  readonly timeout?: Duration;
  /**
   * What happens when the wait times out. `fail`: the node fails. `continue`: the node completes with the result null.
   * @defaultValue "fail"
   */
  readonly onTimeout?: T;
  /** What happens to the run when the node fails. @defaultValue "compensate" when any step has an undo, otherwise "fail_workflow" */
  readonly onFailure?: F;
}

/** The results that a step sees: those of the steps in its `dependsOn`. */
export type Seen<Results, D extends keyof Results> = { readonly [K in D]: Results[K] };

/**
 * The type that dependents see for a step that may have no result: undefined when it failed under `continue`, null when it was held under
 * `pause_workflow` and skipped.
 */
export type AfterFailure<T, F> = F extends "continue" ? T | undefined : F extends "pause_workflow" ? T | null : T;

/** The type that dependents see for a step. The result of a step that another program runs is known to be JSON and nothing else. */
export type Visible<R, F, Remote> = Remote extends true ? AfterFailure<JsonValue, F> : AfterFailure<Stored<R>, F>;

/** The type that dependents see for a signal node. It includes null when the wait may time out. */
export type Received<P, T, F> = T extends "continue" ? AfterFailure<P | null, F> : AfterFailure<P, F>;

/** The payload type of a declared signal; `unknown` for other names. */
export type PayloadOf<Signals, N> = N extends keyof Signals ? Signals[N] : unknown;

/** The name of a step if no step has that name yet; otherwise a message for the compiler. */
export type Fresh<Results, N extends string> = N extends keyof Results
  ? string extends N
    ? N
    : "there is a step of this name already"
  : N;

/**
 * The name of a step, when its result is JSON. The check stands at the name because a check in the handler's own type would keep the
 * literal types of what it returns. Of `unknown` types cannot tell (it is also what stands here until the handler is looked at).
 */
export type Returning<R, Name> = unknown extends R
  ? Name
  : [R] extends [JsonValue | void]
    ? Name
    : [R] extends [JsonResult<R>]
      ? Name
      : NotJson<R>;

/** The message that the compiler prints for a result that is not JSON. It names the member when exactly one is at fault. */
export type NotJson<R> = [BadMember<R>] extends [never]
  ? "the result of this step is not JSON: it holds a Date, Map, bigint, function, class or list with undefined"
  : `the result of this step is not JSON: its member ${BadMember<R>} holds a Date, Map, bigint, function, class or list with undefined`;

/** The names of the members of a result that are not JSON; `never` for lists and for instances of classes. */
export type BadMember<R> = R extends readonly unknown[] | string | number | bigint | symbol
  ? never
  : [Extract<R[keyof R], (...args: never[]) => unknown>] extends [never]
    ? { [K in keyof R & string]: [R[K]] extends [JsonResult<R[K]>] ? never : K }[keyof R & string]
    : never;

/** Handlers without their types, as the engine calls them. */
export interface ErasedHandlers {
  readonly run?: (context: unknown) => unknown;
  readonly compensate?: (context: unknown, result?: unknown) => unknown;
}

/** A definition, whatever its types are. */
export interface AnyWorkflow {
  /** The name under which it is started. */
  readonly name: string;
  /** Its steps as data, without handlers and schemas. */
  readonly plan: Plan;
  /** The hash of the names and dependencies of its steps, which a run keeps. A worker whose definition has another hash does not run it. */
  readonly definitionHash: string;
  /**
   * The hash of the whole plan, by which compiled machines are found.
   * @internal
   */
  readonly planHash: string;
  /** @internal */
  readonly inputSchema: Schema | undefined;
  /** @internal */
  readonly signalSchemas: ReadonlyMap<string, Schema>;
  /** @internal */
  readonly handlers: ReadonlyMap<string, ErasedHandlers>;
  /**
   * What makes the output of a run from all results by name; undefined: the output is the results of the last steps.
   * @internal
   */
  readonly makeOutput: ((results: Record<string, unknown>) => unknown) | undefined;
  /** Only for the compiler: it does not exist when the program runs. */
  readonly types?: WorkflowTypes;
}

/** What the compiler knows of a workflow. */
export interface WorkflowTypes {
  /** Its name, as a literal. */
  readonly name: string;
  /** What handlers are given as input. */
  readonly input: unknown;
  /** What a start takes as input. */
  readonly sent: unknown;
  /** What dependents see of each step, by its name. */
  readonly results: unknown;
  /** The names of the steps on which none depends. */
  readonly last: PropertyKey;
  /** What `result` of a run gives. */
  readonly output: unknown;
  /** What handlers are given as payloads of declared signals, by name. */
  readonly signals: unknown;
  /** What senders of declared signals give, by name. */
  readonly sentSignals: unknown;
  /** What senders to signal nodes give, by name. */
  readonly nodes: unknown;
}

/** A definition with its compiled machine. */
export interface CompiledWorkflow extends AnyWorkflow {
  /**
   * The XState machine that the runs follow, with guards and actions. It is compiled when it is first read. `createActor(workflow.machine,
   * { snapshot: view.snapshot })` loads any run of this definition.
   */
  readonly machine: AnyStateMachine;
}

/** Marks a workflow without `output`, whose output is the results of its last steps. */
export interface LastResults {
  /** Never set: it only makes this type distinct. */
  readonly "results of the last steps": never;
}

/** The types of a workflow that no step sees. They are one type parameter, because each parameter costs the compiler time at every step. */
export interface OuterTypes {
  /** The name of the workflow, as a literal. */
  readonly name: string;
  /** What `result` of a run gives. */
  readonly output: unknown;
  /** What a start takes. */
  readonly sent: unknown;
  /** What senders of declared signals give, by name. */
  readonly sentSignals: unknown;
  /** What senders to signal nodes give, by name. */
  readonly nodes: unknown;
}
/** `OuterTypes` with these members. */
export interface OuterTypesOf<Name extends string, Out, Sent, SentSignals, Nodes> extends OuterTypes {
  readonly name: Name;
  readonly output: Out;
  readonly sent: Sent;
  readonly sentSignals: SentSignals;
  readonly nodes: Nodes;
}

/**
 * A workflow definition. It is immutable: each call returns a new definition, which is complete and can be served as it is. `In` is the
 * input, `Results` what dependents see by step, `Signals` the payloads of declared signals, `Outer` the types that no step sees, `Last` the
 * names of the steps on which no step depends.
 */
export interface Workflow<
  In,
  Results,
  Signals,
  Outer extends OuterTypes,
  Last extends PropertyKey,
> extends CompiledWorkflow {
  readonly types?: {
    readonly name: Outer["name"];
    readonly input: In;
    readonly sent: Outer["sent"];
    readonly results: Results;
    readonly last: Last;
    readonly output: Outer["output"];
    readonly signals: Signals;
    readonly sentSignals: Outer["sentSignals"];
    readonly nodes: Outer["nodes"];
  };
  /**
   * Adds a step: a handler that depends on nothing, or options.
   *
   * @example
   * ```ts
   * workflow("order")
   *   .step("price", () => ({ total: 40 }))
   *   .step("charge", { dependsOn: ["price"], timeout: "30s", run: (ctx) => ({ paid: ctx.results.price.total }) });
   * ```
   * @throws {WorkflowError} `invalid` for a name or options that cannot work, with the reason.
   */
  step<
    const N extends string,
    R,
    const D extends keyof Results & string = never,
    const F extends OnFailure = "fail_workflow",
    const Remote extends boolean = false,
  >(
    name: Returning<R, Fresh<Results, N>>,
    step:
      | ((context: StepContext<In, None, Signals>) => Promise<R> | R)
      | (StepOptions<In, Results, Signals, D, R, F, Remote> & (Remote extends true ? RemoteStep : StepNeedsRun)),
  ): Workflow<In, Results & Record<N, Visible<R, F, Remote>>, Signals, Outer, Exclude<Last, D> | N>;
  /**
   * Adds a node that waits for the signal of its name. It has no handler. Its result is the payload, or null when the wait timed out under
   * `onTimeout: "continue"`.
   * @throws {WorkflowError} `invalid` for a name or options that cannot work, with the reason.
   */
  signal<
    const N extends string,
    P = PayloadOf<Signals, N>,
    S = PayloadOf<Outer["sentSignals"], N>,
    const D extends keyof Results & string = never,
    const T extends "fail" | "continue" = "fail",
    const F extends OnFailure = "fail_workflow",
  >(
    name: Fresh<Results, N>,
    options?: SignalOptions<D, P, S, T, F>,
  ): Workflow<
    In,
    Results & Record<N, Received<P, T, F>>,
    Signals,
    OuterTypesOf<Outer["name"], Outer["output"], Outer["sent"], Outer["sentSignals"], Outer["nodes"] & Record<N, S>>,
    Exclude<Last, D> | N
  >;
  /**
   * Defines what `result` of a run returns, from the results of the steps so far: null for a step that was skipped or failed under
   * `onFailure: "continue"`. The function runs in the client, each time that a result is asked for, and its value is not stored.
   */
  output<Out>(
    make: (results: { readonly [K in keyof Results]: Settled<Results[K]> }) => Out,
  ): Workflow<
    In,
    Results,
    Signals,
    OuterTypesOf<Outer["name"], Out, Outer["sent"], Outer["sentSignals"], Outer["nodes"]>,
    Last
  >;
}

/** The type of a result after the run is over: null for a step without one. */
export type Settled<T> = unknown extends T ? T : undefined extends T ? Exclude<T, undefined> | null : T;

/** The input type of a workflow, as its handlers see it. */
export type InputOf<W> = W extends { readonly types?: { readonly input: infer In } } ? In : unknown;
/** The output type of a workflow: what its `output` returns, otherwise the results of its last steps by name. */
export type OutputOf<W> = W extends {
  readonly types?: { readonly results: infer R; readonly last: infer L; readonly output: infer O };
}
  ? [O] extends [LastResults]
    ? { readonly [K in L & keyof R]: Settled<R[K]> }
    : O
  : unknown;
/** The input type that `start` accepts. Members with a default in the schema may be left out. */
export type SentTo<W> = W extends { readonly types?: { readonly sent: infer Sent } } ? Sent : unknown;
/**
 * The payload types that senders pass, by the name of the signal: of declared signals and of signal nodes. A workflow that declares no
 * signals accepts any other name with any payload.
 */
export type SignalsOf<W> = W extends { readonly types?: { readonly sentSignals: infer S; readonly nodes: infer N } }
  ? [keyof S] extends [never]
    ? N & Readonly<Record<string, unknown>>
    : S & N
  : Readonly<Record<string, unknown>>;
/** An event of a workflow whose signals are not known to the compiler. */
export interface AnyEvent {
  /** The name of the signal. */
  readonly type: string;
  /** The members of the payload. */
  readonly [member: string]: unknown;
}

/**
 * The events that a workflow accepts, `{ type, ...payload }`: one for each declared signal and each signal node. A signal whose payload is
 * not an object, or has a member `type`, has no event form; send it with `signal`.
 */
export type EventOf<W> = W extends { readonly types?: { readonly sentSignals: infer S; readonly nodes: infer N } }
  ? EventsOf<S, keyof S> | EventsOf<N, keyof N> extends infer E
    ? [keyof S | keyof N] extends [never]
      ? AnyEvent
      : E
    : never
  : AnyEvent;

/** The union of the events for these names. A payload of type `unknown` may be any object. */
export type EventsOf<S, K> = K extends keyof S & string ? EventNamed<K, S[K]> : never;
/** The event form of one signal. */
export type EventNamed<K, P> = unknown extends P
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

/**
 * Begins the definition of a workflow. Types are inferred from the schemas. Without schemas they may be given explicitly,
 * `workflow<Order>(name)` or `workflow<Order, { approval: Approval }>(name)`; values are then not checked at run time.
 * @throws {WorkflowError} `invalid` for a name or options that cannot work; the message names the step. Problems of the definition as a
 * whole (entangled groups, too many parallel steps) are reported when a client or a worker is given the definition.
 *
 * @example
 * ```ts
 * workflow("order", { input: z.object({ item: z.string() }), signals: { approval: z.object({ by: z.string() }) } })
 *   .step("reserve", (ctx) => ({ item: ctx.input.item }))
 *   .signal("approval", { dependsOn: ["reserve"], timeout: "7d" })
 *   .step("ship", { dependsOn: ["approval"], run: (ctx) => `approved by ${ctx.results.approval.by}` });
 * ```
 */
export function workflow<
  In = JsonValue,
  Signals = None,
  Sent = In,
  SentSignals = Signals,
  const Name extends string = string,
>(
  name: Name,
  options: WorkflowOptions<In, Signals, Sent, SentSignals> = {},
): Workflow<In, None, Signals, OuterTypesOf<Name, LastResults, Sent, SentSignals, None>, never> {
  return makeDefinition(name, options as unknown as UntypedOptions, []) as unknown as ReturnType<
    typeof workflow<In, Signals, Sent, SentSignals, Name>
  >;
}

/** A workflow whose steps are added in a loop or from data. The compiler knows nothing about its results. */
export interface UntypedWorkflow extends CompiledWorkflow {
  /** Adds a step: a handler without dependencies, or options. @throws {WorkflowError} `invalid` for a name or options that cannot work. */
  step(
    name: string,
    handler: ((context: StepContext<JsonValue, Record<string, unknown>, None>) => unknown) | UntypedStepOptions,
  ): UntypedWorkflow;
  /**
   * Adds a node that waits for the signal of its name. `options` are those of `SignalOptions`.
   * @throws {WorkflowError} `invalid` for a name or options that cannot work.
   */
  signal(name: string, options?: Readonly<Record<string, unknown>>): UntypedWorkflow;
  /** Defines what `result` of a run returns, from the results of all steps by name. */
  output(make: (results: Record<string, unknown>) => unknown): UntypedWorkflow;
}

/** Options of `untypedWorkflow`. */
export interface UntypedOptions extends Omit<WorkflowOptions, "signals"> {
  /**
   * The schemas of the payloads, by the name of the signal. When at least one signal is declared, all other names are refused.
   * @defaultValue any name, with any JSON payload
   */
  readonly signals?: Readonly<Record<string, Schema>>;
  /** Makes the output of a run from the results of all steps by name. @defaultValue the results of the last steps by name */
  readonly output?: (results: Record<string, unknown>) => unknown;
}

/** Options of a step of an untyped workflow. */
export interface UntypedStepOptions extends CommonStepOptions {
  /** The steps that must be over before this one starts. `ctx.results` holds their results. @defaultValue none */
  readonly dependsOn?: readonly string[];
  /**
   * What happens to the run when the step has failed and is not retried any more.
   * @defaultValue "compensate" when any step has an undo, otherwise "fail_workflow"
   */
  readonly onFailure?: OnFailure;
  /** Whether another program on the bucket runs the step; it has no `run` then. @defaultValue false */
  readonly remote?: boolean;
  /** The handler. Its return value is the result of the step and is stored as JSON. */
  readonly run?: (context: StepContext<JsonValue, Record<string, unknown>, None>) => unknown;
  /**
   * The undo. It runs during a rollback when the step completed, or when it may have had effects. `result` is undefined when there is no
   * result.
   */
  readonly compensate?: (context: UndoContext<JsonValue, Record<string, unknown>, None>, result: unknown) => unknown;
}

/**
 * Begins the definition of a workflow whose steps are added in a loop or from data.
 * @throws {WorkflowError} `invalid` for a name or options that cannot work.
 *
 * @example
 * ```ts
 * let pages = untypedWorkflow("pages");
 * for (const name of ["home", "about", "contact"]) pages = pages.step(name, () => ({ rendered: name }));
 * ```
 */
export function untypedWorkflow(name: string, options: UntypedOptions = {}): UntypedWorkflow {
  return makeDefinition(name, options, []) as unknown as UntypedWorkflow;
}
