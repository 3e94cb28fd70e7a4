/** What a user writes: `workflow(name).step(…).signal(…)`. The builder is the definition; each call gives a new one. */
import type { z } from "zod";
import type { OnFailure, Plan, RetryPolicy } from "../../machines/plan.ts";
import type { JsonResult, JsonValue, StepContext, UndoContext } from "./context.ts";
import { makeDefinition } from "./definition.ts";

type Schema<T = unknown> = z.ZodType<T>;
type SchemaMap = Readonly<Record<string, Schema>>;
type PayloadsOf<S> = { [K in keyof S]: S[K] extends Schema<infer T> ? T : never };

/** Options of a workflow. */
export interface WorkflowOptions<In, S extends SchemaMap> {
  /** Schema of the input; absent: any JSON. */
  readonly input?: Schema<In>;
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
  readonly output?: (results: Record<string, unknown>) => unknown;
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

type Fresh<Results, N extends string> = N extends keyof Results ? (string extends N ? N : never) : N;

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
  readonly types?: { readonly input: unknown; readonly results: unknown };
}

/** A workflow: immutable, and complete after every call. */
export interface Workflow<In, Results, Signals> extends AnyWorkflow {
  readonly types?: { readonly input: In; readonly results: Results };
  /** Adds a step that depends on nothing. */
  step<const N extends string, R>(
    name: Fresh<Results, N>,
    handler: (
      context: StepContext<In, Record<never, never>, Signals>,
    ) => Promise<R & JsonResult<R>> | (R & JsonResult<R>),
  ): Workflow<In, Results & Record<N, Stored<Awaited<R>>>, Signals>;
  /** Adds a step with options. */
  step<
    const N extends string,
    R,
    const D extends keyof Results & string = never,
    const F extends OnFailure = "fail_workflow",
  >(
    name: Fresh<Results, N>,
    options: StepOptions & {
      readonly dependsOn?: readonly D[];
      readonly onFailure?: F;
      readonly run: (
        context: StepContext<In, Seen<Results, D>, Signals>,
      ) => Promise<R & JsonResult<R>> | (R & JsonResult<R>);
      readonly compensate?: (
        context: UndoContext<In, Seen<Results, D>, Signals>,
        result: Awaited<R> | undefined,
      ) => unknown;
    },
  ): Workflow<In, Results & Record<N, Visible<Awaited<R>, F>>, Signals>;
  /** Adds a step that another program on the bucket runs. */
  step<const N extends string, const D extends keyof Results & string = never>(
    name: Fresh<Results, N>,
    options: StepOptions & { readonly dependsOn?: readonly D[]; readonly remote: true },
  ): Workflow<In, Results & Record<N, JsonValue>, Signals>;
  /** Adds a node that waits for the signal of its name, without a handler. */
  signal<const N extends string, P = unknown, const D extends keyof Results & string = never>(
    name: Fresh<Results, N>,
    options?: {
      readonly dependsOn?: readonly D[];
      readonly schema?: Schema<P>;
      readonly timeout?: string | number;
      readonly onTimeout?: "fail" | "continue";
      readonly onFailure?: OnFailure;
    },
  ): Workflow<In, Results & Record<N, P>, Signals>;
}

/** The input type of a workflow. */
export type InputOf<W> = W extends { readonly types?: { readonly input: infer In } } ? In : unknown;
/** The output type of a workflow: results by step name. */
export type OutputOf<W> = W extends { readonly types?: { readonly results: infer R } } ? Partial<R> : unknown;
/** Arguments of a typed start. */
export type InputArgument<W> =
  JsonValue extends InputOf<W>
    ? [input?: unknown, options?: { readonly id?: string }]
    : [input: InputOf<W>, options?: { readonly id?: string }];

/**
 * Begins a workflow.
 * @throws {WorkflowError} `invalid` for a name or options that cannot work; cycles and limits at first use.
 */
export function workflow<In = JsonValue, const S extends SchemaMap = Record<never, never>>(
  name: string,
  options: WorkflowOptions<In, S> = {},
): Workflow<In, Record<never, never>, PayloadsOf<S>> {
  return makeDefinition(name, options as WorkflowOptions<unknown, SchemaMap>, []) as unknown as Workflow<
    In,
    Record<never, never>,
    PayloadsOf<S>
  >;
}

/** Begins a workflow whose steps are made in a loop or from data: nothing about them is known to the compiler. */
export interface UntypedWorkflow extends AnyWorkflow {
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
