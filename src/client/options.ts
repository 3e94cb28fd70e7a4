/** Checks of what clients are given. */
import { definitions } from "../define/definitions.ts";
import { checkRunId } from "../names.ts";
import { abortSignal, callback, checkedBy, type ChecksOf, duration, flag, readSettings } from "../settings.ts";
import { checkReason } from "./commands.ts";
import type { CancelOptions, ClientOptions, CommandOptions, StartOptions, WatchOptions } from "./client.ts";

const CLIENT = { workflows: definitions } satisfies ChecksOf<ClientOptions>;
const START = { id: checkedBy(checkRunId) } satisfies ChecksOf<StartOptions>;
const WATCH = { timeout: duration(0), signal: abortSignal, until: callback } satisfies ChecksOf<WatchOptions>;
const reason = checkedBy((given: string) => checkReason({ type: "pause", reason: given }));
const COMMAND = { reason, applied: flag, timeout: duration(0), signal: abortSignal } satisfies ChecksOf<CommandOptions>;
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

/** Options of the command of this name. @throws {WorkflowError} `invalid` */
export function checkCommandOptions(command: string, options: CommandOptions): void {
  readSettings(command, command === "cancel" ? CANCEL : COMMAND, options);
}
