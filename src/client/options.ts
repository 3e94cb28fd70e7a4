/** Checks the options of clients. */
import { definitions } from "../define/definitions.ts";
import { checkRunId } from "../names.ts";
import {
  callback,
  type Check,
  checkedBy,
  type ChecksOf,
  checkMembers,
  flag,
  oneOf,
  readSettings,
  refuseSettings,
  text,
} from "../settings.ts";
import { type BulkCommand, checkReason } from "./commands.ts";
import { LIMIT_CHECKS, type WaitLimits } from "./limit.ts";
import type {
  CancelOptions,
  ClientOptions,
  CommandOptions,
  ReasonedCommandOptions,
  StartOptions,
  WatchOptions,
} from "./client.ts";
import type { RunCommand } from "../run/wakeups/command.ts";

const CLIENT = { workflows: definitions } satisfies ChecksOf<ClientOptions>;
const START = { id: checkedBy(checkRunId), ...LIMIT_CHECKS } satisfies ChecksOf<StartOptions>;
const WATCH = { ...LIMIT_CHECKS, until: callback } satisfies ChecksOf<WatchOptions>;
const reason = checkedBy((given: string) => checkReason({ type: "pause", reason: given }));
const COMMAND = { applied: flag, ...LIMIT_CHECKS } satisfies ChecksOf<CommandOptions>;
const REASONED = { ...COMMAND, reason } satisfies ChecksOf<ReasonedCommandOptions>;
const CANCEL = { ...REASONED, compensate: flag } satisfies ChecksOf<CancelOptions>;
const COMMANDS: Readonly<Record<RunCommand["type"], Readonly<Record<string, Check<unknown>>>>> = {
  cancel: CANCEL,
  pause: REASONED,
  terminate: REASONED,
  resume: COMMAND,
  retry: COMMAND,
  skip: COMMAND,
};

const BULK_COMMAND = { type: text };
const BULK_COMMANDS: Readonly<Record<BulkCommand["type"], Readonly<Record<string, Check<unknown>>>>> = {
  cancel: { ...BULK_COMMAND, reason, compensate: flag },
  pause: { ...BULK_COMMAND, reason },
  terminate: { ...BULK_COMMAND, reason },
  resume: BULK_COMMAND,
  retry: BULK_COMMAND,
};

/** @throws {WorkflowError} `invalid` */
export function checkClientOptions(options: ClientOptions): void {
  readSettings("a client", CLIENT, options);
}

/** @throws {WorkflowError} `invalid` */
export function checkStartOptions(options: StartOptions): void {
  readSettings("start", START, options);
}

/** Options of `watch`, and of `wait` and `result`, which watch. @throws {WorkflowError} `invalid` */
export function checkWatchOptions(options: WatchOptions): void {
  readSettings("watch", WATCH, options);
}

/** Options of calls that have no others. @throws {WorkflowError} `invalid` */
export function checkCallOptions(options: WaitLimits): void {
  readSettings("a call", LIMIT_CHECKS, options);
}

/** Options of the command of this name. @throws {WorkflowError} `invalid` */
export function checkCommandOptions(command: RunCommand["type"], options: CommandOptions): void {
  readSettings(command, COMMANDS[command], options);
}

const BULK_TYPES = oneOf("cancel", "pause", "terminate", "resume", "retry");

/** A command for many runs, in the words of one. @throws {WorkflowError} `invalid` */
export function checkBulkCommand(command: BulkCommand): void {
  checkMembers((why) => refuseSettings("bulk", why), "the members of a command", command);
  const type = BULK_TYPES(command.type, "type", (why) => refuseSettings("bulk", why));
  readSettings(type, BULK_COMMANDS[type], command);
}
