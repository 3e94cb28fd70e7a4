/** Checks of what clients are given. */
import { definitions } from "../define/definitions.ts";
import { checkRunId } from "../names.ts";
import { callback, checkedBy, type ChecksOf, flag, readSettings } from "../settings.ts";
import { checkReason } from "./commands.ts";
import { LIMIT_CHECKS, type WaitLimits } from "./limit.ts";
import type { CancelOptions, ClientOptions, CommandOptions, StartOptions, WatchOptions } from "./client.ts";

const CLIENT = { workflows: definitions } satisfies ChecksOf<ClientOptions>;
const START = { id: checkedBy(checkRunId), ...LIMIT_CHECKS } satisfies ChecksOf<StartOptions>;
const WATCH = { ...LIMIT_CHECKS, until: callback } satisfies ChecksOf<WatchOptions>;
const reason = checkedBy((given: string) => checkReason({ type: "pause", reason: given }));
const COMMAND = { reason, applied: flag, ...LIMIT_CHECKS } satisfies ChecksOf<CommandOptions>;
const CANCEL = { ...COMMAND, compensate: flag } satisfies ChecksOf<CancelOptions>;

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
export function checkCommandOptions(command: string, options: CommandOptions): void {
  readSettings(command, command === "cancel" ? CANCEL : COMMAND, options);
}
