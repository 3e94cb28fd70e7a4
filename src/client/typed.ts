/** The types of runs, from a definition or by name from the definitions that a client was given. */
import type { AnyEvent, AnyWorkflow, EventOf, SentTo } from "../define/workflow.ts";
import type { JsonValue } from "../define/context.ts";
import type { StartOptions } from "./client.ts";

/** The definitions that a client was given. */
export type Definitions<Client> = Client extends { readonly types?: { readonly workflows: infer Ws } }
  ? Ws extends readonly unknown[]
    ? Ws[number]
    : never
  : never;

/** The name of a definition as a literal; `never` when the compiler does not know it. */
export type NameOf<W> = W extends { readonly types?: { readonly name: infer Name } }
  ? string extends Name
    ? never
    : Name
  : never;

/** The definition with this name. */
export type WorkflowNamed<W, Name> = W extends unknown ? ([Name] extends [NameOf<W>] ? W : never) : never;

/** The definition that a call refers to: itself, or the one of this name that the client was given; `AnyWorkflow` for other names. */
export type Meant<Client, W extends AnyWorkflow | string> = W extends string
  ? [WorkflowNamed<Definitions<Client>, W>] extends [never]
    ? AnyWorkflow
    : WorkflowNamed<Definitions<Client>, W>
  : W;

/** The arguments of `start` after the workflow. An input that may be undefined may be left out. */
export type InputArguments<W> =
  undefined extends SentTo<W>
    ? [input?: SentTo<W>, options?: StartOptions]
    : JsonValue extends SentTo<W>
      ? [input?: unknown, options?: StartOptions]
      : [input: SentTo<W>, options?: StartOptions];

/** The payload that a definition declares for this name; `never` when it declares none. */
export type PayloadIn<W, Name> = W extends unknown
  ? Name extends keyof DeclaredBy<W>
    ? DeclaredBy<W>[Name]
    : never
  : never;
/** The payloads that a definition declares, by name. */
export type DeclaredBy<W> = W extends { readonly types?: { readonly sentSignals: infer S; readonly nodes: infer N } }
  ? S & N
  : never;

/** The payload of the signal with this name, if a definition of the client declares it; otherwise `unknown`. */
export type PayloadNamed<Client, Name> = [PayloadIn<Definitions<Client>, Name>] extends [never]
  ? unknown
  : PayloadIn<Definitions<Client>, Name>;

/** The event of this type, if a definition of the client declares it; otherwise `AnyEvent`. */
export type EventTyped<Client, Type> = [PayloadIn<Definitions<Client>, Type>] extends [never]
  ? AnyEvent
  : Extract<EventOf<Definitions<Client>>, { readonly type: Type }>;

/** The events of a definition; without a definition, the event of this type that a definition of the client declares. */
export type EventGiven<Client, W, Type extends string> = AnyWorkflow extends W
  ? { readonly type: Type } & EventTyped<Client, Type>
  : EventOf<W>;

/** What `send` of a run accepts; any event when its workflow is not known. */
export type EventTo<Run> = Run extends { readonly types?: { readonly event: infer E } }
  ? unknown extends E
    ? AnyEvent
    : E
  : AnyEvent;
/** The names of the signals that a run accepts; any name when its workflow is not known. */
export type SignalNameOf<Run> = Run extends { readonly types?: { readonly signals: infer S } }
  ? unknown extends S
    ? string
    : keyof S & string
  : string;
/** The payload that a run accepts for this name. */
export type PayloadTo<Run, Name> = Run extends { readonly types?: { readonly signals: infer S } }
  ? Name extends keyof S
    ? S[Name]
    : unknown
  : unknown;
