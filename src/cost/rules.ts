/**
 * What each situation of a run costs: the price list of the protocol. A walk says how often a situation comes; nothing here was measured.
 *
 * `from` names the code that sends the requests. A conditional put that meets a conflict is a PUT like any other.
 */
import type { Requests } from "./requests.ts";

/** One situation. */
export interface Rule {
  readonly requests: Partial<Requests>;
  /** What happens. */
  readonly what: string;
  /** Where it is sent, and the section of the protocol that says so. */
  readonly from: string;
}

/** The rules by name; each is a `Rule`. */
export const RULES = {
  start: {
    requests: { put: 4 },
    what: "active-index entry, record, first tick, its ready key",
    from: "src/run/start.ts 1.1",
  },
  signal: {
    requests: { get: 1, put: 3 },
    what: "a signal is sent: record read, signal, tick, its ready key",
    from: "src/client/client.ts 1.8",
  },
  command: {
    requests: { get: 1, put: 2 },
    what: "an operator's command: record read, tick, its ready key",
    from: "src/client/client.ts 1.13",
  },
  claim: {
    requests: { get: 1, put: 2, delete: 1 },
    what: "a task is claimed: read, lease key, claim, ready key gone",
    from: "src/queue/claim.ts 1.2",
  },
  "claim of a later task": {
    requests: { delete: 1 },
    what: "it was due later than it was made: its due key goes too",
    from: "src/queue/index-keys.ts",
  },
  "take over": {
    requests: { get: 1, put: 2 },
    what: "a task whose lease ran out is taken over: read, lease key, claim",
    from: "src/queue/claim.ts 1.2",
  },
  "ask in vain": {
    requests: { get: 1 },
    what: "a task that is due is over already, or not due yet",
    from: "src/queue/claim.ts",
  },
  read: { requests: { get: 1 }, what: "a claimer reads the record, or reads it anew", from: "src/run/commit.ts R4" },
  decide: { requests: { put: 1 }, what: "a decision: one put of the record", from: "src/run/commit.ts R1" },
  result: { requests: { put: 1 }, what: "the result of a step as an object", from: "src/run/dispatch.ts 1.3" },
  settle: {
    requests: { put: 1 },
    what: "the task object of a short step, once it is over",
    from: "src/queue/settle.ts 1.3",
  },
  create: {
    requests: { put: 2 },
    what: "a task and its index key: a branch, a retry",
    from: "src/queue/submit.ts 1.4",
  },
  timer: { requests: { put: 2 }, what: "the task of a timer and its index key", from: "src/run/dispatch.ts 1.9" },
  promote: {
    requests: { put: 1, delete: 1 },
    what: "what was due later than a minute is moved to the ready tasks",
    from: "src/queue/poll.ts",
  },
  exists: {
    requests: { put: 1, get: 1 },
    what: "an object that was to be made is there",
    from: "src/store/document.ts",
  },
  rekey: {
    requests: { put: 1 },
    what: "the index key of a task that exists is put again",
    from: "src/queue/index-keys.ts",
  },
  mark: {
    requests: { put: 1 },
    what: "a task of somebody else is changed: fenced, settled",
    from: "src/queue/settle.ts 1.12",
  },
  unindex: {
    requests: { delete: 1 },
    what: "an index key that nothing needs any more",
    from: "src/queue/index-keys.ts",
  },
  tombstone: { requests: { put: 1 }, what: "a task that never was is fenced", from: "src/queue/settle.ts 1.12" },
  "former driver": {
    requests: { get: 1 },
    what: "is the task that stamped entries of the outbox completed?",
    from: "src/services/driver.ts R3",
  },
  look: { requests: { put: 1 }, what: "the next look in the active index", from: "src/run/dispatch.ts" },
  unlook: { requests: { delete: 1 }, what: "an entry of the active index goes", from: "src/run/dispatch.ts 1.14" },
  long: {
    requests: { put: 2 },
    what: "a handed-off step turns out long: lease key and task object",
    from: "src/queue/submit.ts 1.3",
  },
  heartbeat: { requests: { put: 1 }, what: "a lease is renewed", from: "src/queue/renew.ts 1.11" },
  "heartbeat into another minute": {
    requests: { put: 1, delete: 1 },
    what: "its key moves to another minute",
    from: "src/queue/renew.ts 1.11",
  },
  finish: {
    requests: { put: 1, delete: 1 },
    what: "a task is finished: its object, its lease key",
    from: "src/queue/finish.ts 1.3",
  },
  requeue: {
    requests: { put: 2 },
    what: "a task is pending again: its object, its ready key",
    from: "src/queue/finish.ts 1.10",
  },
  inbox: { requests: { list: 1 }, what: "the inbox of one signal is listed", from: "src/run/inbox.ts 1.7" },
  "signal read": { requests: { get: 1 }, what: "a signal that was found is read", from: "src/run/inbox.ts" },
  "stale lease key": {
    requests: { get: 1 },
    what: "the monitor reads the task of a lease key whose minute has come",
    from: "src/queue/monitor.ts",
  },
  sweep: {
    requests: { get: 1 },
    what: "the sweeper reads a run that is due for a look",
    from: "src/services/sweeper.ts",
  },
  "sweep tick": {
    requests: { put: 2 },
    what: "the look becomes a tick",
    from: "src/services/sweeper.ts",
  },
  "foreign entry": {
    requests: { put: 1 },
    what: "foreign: true: the run's entry among those that are asked for changes",
    from: "src/run/start.ts 1.1",
  },
  "foreign entry gone": {
    requests: { delete: 1 },
    what: "foreign: true: that entry goes with the end of the run",
    from: "src/run/dispatch.ts",
  },
  "foreign poll": {
    requests: { get: 1 },
    what: "foreign: true: the record is read for changes that wake nobody",
    from: "src/services/foreign-poll.ts",
  },
  "foreign poll of an inbox": {
    requests: { list: 1 },
    what: "foreign: true: the inbox of an awaited signal is listed",
    from: "src/services/foreign-poll.ts",
  },
  "foreign poll of a step": {
    requests: { get: 1 },
    what: "foreign: true: the task of a remote step in flight is read",
    from: "src/services/foreign-poll.ts",
  },
  examine: {
    requests: { get: 1 },
    what: "a look asks for the task of a step in flight",
    from: "src/services/errands.ts",
  },
} as const;

/** Name of a rule. */
export type RuleName = keyof typeof RULES;
