/** What a user writes: `workflow(name).step(…).signal(…)`. The builder is the definition; each call gives a new one. */
import type { AnyStateMachine } from "xstate";
import type { OnFailure, Plan } from "../../machines/plan/plan.ts";
import type { RetryPolicy } from "../../machines/program.ts";
import type { Duration } from "../wire/duration.ts";
import type { JsonResult, JsonValue, StepContext, Stored, UndoContext } from "./context.ts";
import { makeDefinition } from "./definition.ts";
import type { Schema } from "./schema.ts";

/** No names: no results, no signals. */
export type None = Readonly<Record<never, never>>;

/** A schema for each signal. Where the types were named without those of the signals, none may be declared: they would be lost. */
export type SignalSchemas<Signals, SentSignals> = [keyof Signals] extends [never]
  ? Readonly<Record<string, "name the payloads too: workflow<Input, { signal: Payload }>(name, …)">>
  : { readonly [K in keyof Signals]: Schema<unknown, Signals[K]> } & {
      readonly [K in keyof SentSignals]: Schema<SentSignals[K], unknown>;
    };

/** Options of a workflow. `Sent` and `SentSignals` are what callers give, `In` and `Signals` what the schemas make of it. */
export interface WorkflowOptions<In = unknown, Signals = unknown, Sent = unknown, SentSignals = unknown> {
  /** Schema of the input, of any library that implements Standard Schema (zod, valibot, arktype …). @defaultValue any JSON */
  readonly input?: Schema<Sent, In>;
  /** A label for people. */
  readonly version?: string;
  /** Schemas of the payloads by the signal's name. When any is declared, others are refused. @defaultValue any name, any JSON */
  readonly signals?: SignalSchemas<Signals, SentSignals>;
  /**
   * The order of undos. `mirror`: reverse of the dependency order, side by side where it is free; `chain`: one after the other. Undos that fail
   * are retried, then collected: the run ends as failed and names them. @defaultValue "mirror"
   */
  readonly compensation?: "mirror" | "chain";
  /** Whether programs that do not know us change runs of this workflow. @defaultValue false */
  readonly foreign?: boolean;
}

/** Options of a step that say nothing of its types. */
export interface CommonStepOptions {
  /** Attempts after the first that an ordinary error may use up. @defaultValue 3 */
  readonly retries?: number;
  /** @defaultValue 1 s, doubled up to 60 s, ± 25 % */
  readonly retryPolicy?: Partial<RetryPolicy>;
  /** Longest attempt. @defaultValue "300s" */
  readonly timeout?: Duration;
  /** Wait between the moment when the step could start and its start. @defaultValue 0 */
  readonly delay?: Duration;
}

/** Options of a step. The result is inferred from `run`, which stands before `compensate` for that. */
export interface StepOptions<In, Results, Signals, D extends keyof Results, R, F, Remote> extends CommonStepOptions {
  /** Steps that are over before this one starts; `ctx.results` has their results. @defaultValue none */
  readonly dependsOn?: readonly D[];
  /** What a failure for good does to the run. @defaultValue "compensate" when any step has an undo, else "fail_workflow" */
  readonly onFailure?: F;
  /** Another program on the bucket runs the step; it has no `run`. @defaultValue false */
  readonly remote?: Remote;
  /** The handler; what it returns is the result, and is kept as JSON. */
  readonly run?: (context: StepContext<In, Seen<Results, NoInfer<D>>, Signals>) => Promise<R> | R;
  /** The undo of a step that happened or may have happened. `result`: undefined when there is none. */
  readonly compensate?: (
    context: UndoContext<In, Seen<Results, NoInfer<D>>, Signals>,
    result: Stored<R> | undefined,
  ) => unknown;
}

/** A step has a handler, unless another program runs it. */
export interface StepNeedsRun {
  /** The handler. */
  readonly run: unknown;
}
/** A step that another program runs has no handler here. */
export interface RemoteStep {
  /** A handler is refused: the step is run elsewhere. */
  readonly run?: never;
}

/** Options of a signal node. */
export interface SignalOptions<D, Received, Sent, T, F> {
  /** Steps that are over before the wait opens. @defaultValue none */
  readonly dependsOn?: readonly D[];
  /** Schema of the payload. @defaultValue that of the workflow's `signals`, else any JSON */
  readonly schema?: Schema<Sent, Received>;
  /** Longest wait. @defaultValue for ever */
  readonly timeout?: Duration;
  /** What happens when the time is up: the node fails, or its result is null. @defaultValue "fail" */
  readonly onTimeout?: T;
  /** What a failure of the node does to the run. @defaultValue "compensate" when any step has an undo, else "fail_workflow" */
  readonly onFailure?: F;
}

/** The results that a step sees: only those it names. */
export type Seen<Results, D extends keyof Results> = { readonly [K in D]: Results[K] };

/**
 * What dependents see of a step that may have no result: undefined when it failed under `continue`, null when it was held under
 * `pause_workflow` and skipped.
 */
export type AfterFailure<T, F> = F extends "continue" ? T | undefined : F extends "pause_workflow" ? T | null : T;

/** What dependents see of a step. Of one that another program runs types know that it is JSON. */
export type Visible<R, F, Remote> = Remote extends true ? AfterFailure<JsonValue, F> : AfterFailure<Stored<R>, F>;

/** What dependents see of a signal; null is what it gives when its time was up. */
export type Received<P, T, F> = T extends "continue" ? AfterFailure<P | null, F> : AfterFailure<P, F>;

/** The payload of a declared signal; of others nothing is known. */
export type PayloadOf<Signals, N> = N extends keyof Signals ? Signals[N] : unknown;

/** The name of a step, when there is none of that name yet. */
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

/** What is said of a result that is not JSON. A member is named, when one alone is meant. */
export type NotJson<R> = [BadMember<R>] extends [never]
  ? "the result of this step is not JSON: it holds a Date, Map, bigint, function, class or list with undefined"
  : `the result of this step is not JSON: its member ${BadMember<R>} holds a Date, Map, bigint, function, class or list with undefined`;

/** Members that are not JSON; none of a list, nor of an object with methods, which is of a class. */
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

/** What every definition made here has beside its data. */
export interface CompiledWorkflow extends AnyWorkflow {
  /**
   * The XState machine that its runs follow, with guards and actions; compiled when it is first read. `createActor(workflow.machine,
   * { snapshot: view.snapshot })` loads any run that follows this plan.
   */
  readonly machine: AnyStateMachine;
}

/** Marks a workflow whose output is what its last steps returned. */
export interface LastResults {
  /** Never there: it only tells this type from all others. */
  readonly "results of the last steps": never;
}

/** Types that no step sees. One parameter for all: each costs the compiler something at every step of a chain. */
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
/** `OuterTypes` of these members. */
export interface OuterTypesOf<Name extends string, Out, Sent, SentSignals, Nodes> extends OuterTypes {
  readonly name: Name;
  readonly output: Out;
  readonly sent: Sent;
  readonly sentSignals: SentSignals;
  readonly nodes: Nodes;
}

/**
 * A workflow: immutable, and complete after every call. `In`: the input; `Results`: what dependents see, by step; `Signals`: payloads of
 * declared signals; `Outer`: what no step sees; `Last`: names of the steps on which none depends.
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
   * Adds a node that waits for the signal of its name, without a handler. Its result is the payload; null when the time was up and
   * `onTimeout` is `"continue"`.
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
   * Says what `result` of a run gives, from the results of the steps so far: null for a step that was skipped or failed under
   * `onFailure: "continue"`. It runs in the client that asks, each time, and is not kept.
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

/** A result when the run is over: a step without one has null. */
export type Settled<T> = unknown extends T ? T : undefined extends T ? Exclude<T, undefined> | null : T;

/** The input type of a workflow. */
export type InputOf<W> = W extends { readonly types?: { readonly input: infer In } } ? In : unknown;
/** The output type of a workflow: what its `output` makes, else the results of its last steps by name. */
export type OutputOf<W> = W extends {
  readonly types?: { readonly results: infer R; readonly last: infer L; readonly output: infer O };
}
  ? [O] extends [LastResults]
    ? { readonly [K in L & keyof R]: Settled<R[K]> }
    : O
  : unknown;
/** What a start takes: what the schema reads, so that members with a default may be left out. */
export type SentTo<W> = W extends { readonly types?: { readonly sent: infer Sent } } ? Sent : unknown;
/**
 * What senders give, by the name of the signal: to declared signals and to signal nodes. Of a workflow that declares none any other name
 * may be sent, with any payload.
 */
export type SignalsOf<W> = W extends { readonly types?: { readonly sentSignals: infer S; readonly nodes: infer N } }
  ? [keyof S] extends [never]
    ? N & Readonly<Record<string, unknown>>
    : S & N
  : Readonly<Record<string, unknown>>;
/** An event of a workflow of which nothing is declared: its type is the name of a signal, the rest is the payload. */
export interface AnyEvent {
  /** The name of the signal. */
  readonly type: string;
  /** The members of the payload. */
  readonly [member: string]: unknown;
}

/**
 * The events of a workflow: its declared signals and its signal nodes, `{ type, ...payload }`. Signals whose payload is not an object, or
 * has a member `type` itself, cannot be said so: they are sent by `signal`.
 */
export type EventOf<W> = W extends { readonly types?: { readonly sentSignals: infer S; readonly nodes: infer N } }
  ? EventsOf<S, keyof S> | EventsOf<N, keyof N> extends infer E
    ? [keyof S | keyof N] extends [never]
      ? AnyEvent
      : E
    : never
  : AnyEvent;

/** One event for each name. A payload of which nothing is known may be any object. */
export type EventsOf<S, K> = K extends keyof S & string ? EventNamed<K, S[K]> : never;
/** The event of one signal. */
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
 * Begins a workflow. Types come from the schemas; without them they may be named: `workflow<Order>(name)` or
 * `workflow<Order, { approval: Approval }>(name)`, which checks nothing when it runs.
 *
 * @example
 * ```ts
 * workflow("order", { input: z.object({ item: z.string() }), signals: { approval: z.object({ by: z.string() }) } })
 *   .step("reserve", (ctx) => ({ item: ctx.input.item }))
 *   .signal("approval", { dependsOn: ["reserve"], timeout: "7d" })
 *   .step("ship", { dependsOn: ["approval"], run: (ctx) => `approved by ${ctx.results.approval.by}` });
 * ```
 * @throws {WorkflowError} `invalid` for a name or options that cannot work, with the step that is meant. What only the whole can show
 * (an entangled group, too many steps side by side) is thrown when a client or worker is given the definition.
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

/** Begins a workflow whose steps are made in a loop or from data: nothing about them is known to the compiler. */
export interface UntypedWorkflow extends CompiledWorkflow {
  /**
   * Adds a step: a handler that depends on nothing, or options.
   * @throws {WorkflowError} `invalid` for a name or options that cannot work
   */
  step(
    name: string,
    handler: ((context: StepContext<JsonValue, Record<string, unknown>, None>) => unknown) | UntypedStepOptions,
  ): UntypedWorkflow;
  /**
   * Adds a node that waits for the signal of its name: see `SignalOptions`.
   * @throws {WorkflowError} `invalid` for a name or options that cannot work
   */
  signal(name: string, options?: Readonly<Record<string, unknown>>): UntypedWorkflow;
  /** Says what `result` of a run gives, from the results of all steps by name. */
  output(make: (results: Record<string, unknown>) => unknown): UntypedWorkflow;
}

/** Options of a workflow whose types are not known. */
export interface UntypedOptions extends Omit<WorkflowOptions, "signals"> {
  /** Schemas of the payloads by the signal's name. When any is declared, others are refused. @defaultValue any name, any JSON */
  readonly signals?: Readonly<Record<string, Schema>>;
  /** The output of a run, from the results of all steps by name. @defaultValue the results of its last steps by name */
  readonly output?: (results: Record<string, unknown>) => unknown;
}

/** Options of a step whose types are not known. */
export interface UntypedStepOptions extends CommonStepOptions {
  /** Steps that are over before this one starts; `ctx.results` has their results. @defaultValue none */
  readonly dependsOn?: readonly string[];
  /** What a failure for good does to the run. @defaultValue "compensate" when any step has an undo, else "fail_workflow" */
  readonly onFailure?: OnFailure;
  /** Whether another program on the bucket runs the step; it has no `run` then. @defaultValue false */
  readonly remote?: boolean;
  /** The handler; what it returns is the result, and is kept as JSON. */
  readonly run?: (context: StepContext<JsonValue, Record<string, unknown>, None>) => unknown;
  /** The undo of a step that happened or may have happened. `result`: undefined when there is none. */
  readonly compensate?: (context: UndoContext<JsonValue, Record<string, unknown>, None>, result: unknown) => unknown;
}

/**
 * Like `workflow`, for steps made in a loop or from data.
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
