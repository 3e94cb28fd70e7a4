/** What the compiler knows of runs: from a definition, or by name from those that a client was given. */
import type { AnyEvent, AnyWorkflow, EventOf, SentTo } from "../define/workflow.ts";
import type { JsonValue } from "../define/context.ts";
import type { StartOptions } from "./client.ts";

/** The definitions that a client was given. */
export type Definitions<Client> = Client extends { readonly types?: { readonly workflows: infer Ws } }
  ? Ws extends readonly unknown[]
    ? Ws[number]
    : never
  : never;

/** The name of a definition; of one whose name is not known to the compiler nothing. */
export type NameOf<W> = W extends { readonly types?: { readonly name: infer Name } }
  ? string extends Name
    ? never
    : Name
  : never;

/** The definition of this name. */
export type WorkflowNamed<W, Name> = W extends unknown ? ([Name] extends [NameOf<W>] ? W : never) : never;

/** The definition that is meant: itself, or the one of this name that the client was given. Of any other name nothing is known. */
export type Meant<Client, W extends AnyWorkflow | string> = W extends string
  ? [WorkflowNamed<Definitions<Client>, W>] extends [never]
    ? AnyWorkflow
    : WorkflowNamed<Definitions<Client>, W>
  : W;

/** What a start is given beside the workflow. An input that may be undefined may be left out. */
export type InputArguments<W> =
  undefined extends SentTo<W>
    ? [input?: SentTo<W>, options?: StartOptions]
    : JsonValue extends SentTo<W>
      ? [input?: unknown, options?: StartOptions]
      : [input: SentTo<W>, options?: StartOptions];

/** The payload that a definition declares for a name. */
export type PayloadIn<W, Name> = W extends unknown
  ? Name extends keyof DeclaredBy<W>
    ? DeclaredBy<W>[Name]
    : never
  : never;
/** Payloads that a definition declares, by name. */
export type DeclaredBy<W> = W extends { readonly types?: { readonly sentSignals: infer S; readonly nodes: infer N } }
  ? S & N
  : never;

/** A payload by the name of its signal, if a definition of the client declares it. */
export type PayloadNamed<Client, Name> = [PayloadIn<Definitions<Client>, Name>] extends [never]
  ? unknown
  : PayloadIn<Definitions<Client>, Name>;

/** An event by its type, if a definition of the client declares it. */
export type EventTyped<Client, Type> = [PayloadIn<Definitions<Client>, Type>] extends [never]
  ? AnyEvent
  : Extract<EventOf<Definitions<Client>>, { readonly type: Type }>;

/** An event of a definition; without one by its type, if a definition of the client declares it. */
export type EventGiven<Client, W, Type extends string> = AnyWorkflow extends W
  ? { readonly type: Type } & EventTyped<Client, Type>
  : EventOf<W>;

/** What `send` of a run takes; anything where its workflow is not known. */
export type EventTo<Run> = Run extends { readonly types?: { readonly event: infer E } }
  ? unknown extends E
    ? AnyEvent
    : E
  : AnyEvent;
/** Names of the signals that a run takes; any where its workflow is not known. */
export type SignalNameOf<Run> = Run extends { readonly types?: { readonly signals: infer S } }
  ? unknown extends S
    ? string
    : keyof S & string
  : string;
/** What a sender gives to a run under this name. */
export type PayloadTo<Run, Name> = Run extends { readonly types?: { readonly signals: infer S } }
  ? Name extends keyof S
    ? S[Name]
    : unknown
  : unknown;
