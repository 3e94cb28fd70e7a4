/** Checks names that become parts of keys. */
import { WorkflowError } from "./errors.ts";
import {
  activeKey,
  foreignKey,
  laterResultKey,
  interferenceKey,
  announcementKey,
  signalKey,
  stateKey,
  stepResultKey,
  typeKey,
  workerKey,
} from "./keys.ts";
import { shown } from "./wire/duration.ts";
import { LONGEST_FILE_NAME, longestFileName } from "./store/file-names.ts";

const LONGEST_BYTES = 200;

/**
 * Every key that a name becomes a part of, whatever it names: one rule for all. No store has a shorter limit than the names of files (S3
 * takes keys of 1,024 bytes, and two names with what stands around them are less than half of that).
 */
function keysWith(name: string): readonly string[] {
  return [
    stateKey(name),
    activeKey(name, 0),
    foreignKey(name),
    stepResultKey("run", name),
    laterResultKey("run", name, 1),
    signalKey("run", name, "segment"),
    workerKey(name),
    announcementKey(name),
    typeKey(name),
    interferenceKey(name),
  ];
}

/** Explains why a name cannot be a part of a key; undefined when it can. */
export function nameProblem(name: string): string | undefined {
  if (typeof name !== "string") return "it is not a text";
  if (name === "") return "it is empty";
  if (name.includes("/")) return "it holds a slash, which separates the parts of a key";
  if (/\p{Cc}/u.test(name)) return "it holds a control character";
  // S3 lists keys as XML, where servers put another character in their place.
  if (/[\uFFFE\uFFFF]/.test(name)) return "it holds a character that XML cannot spell";
  if (/\p{Surrogate}/u.test(name)) return "it holds half of a character";
  if (name === "." || name === "..") return "it means a folder";
  if (new TextEncoder().encode(name).length > LONGEST_BYTES) return `it is longer than ${LONGEST_BYTES} bytes`;
  const longest = Math.max(...keysWith(name).map(longestFileName));
  if (longest > LONGEST_FILE_NAME)
    return `as the name of a file it takes ${longest} bytes, more than ${LONGEST_FILE_NAME}, because % < > : " | ? * \\ take three each; use fewer of them`;
  return undefined;
}

function check(what: string, name: string): void {
  const problem = nameProblem(name);
  if (problem !== undefined) throw new WorkflowError("invalid", `${what} ${shown(name)} cannot be used: ${problem}`);
}

/** @throws {WorkflowError} `invalid` with the reason */
export const checkRunId = (id: string): void => check("run id", id);
/** @throws {WorkflowError} `invalid` with the reason */
export const checkWorkerId = (id: string): void => check("worker id", id);
/** @throws {WorkflowError} `invalid` with the reason */
export const checkSignalName = (name: string): void => check("signal name", name);
/** @throws {WorkflowError} `invalid` with the reason */
export const checkStepName = (name: string): void => check("step name", name);
/** @throws {WorkflowError} `invalid` with the reason */
export const checkWorkflowName = (name: string): void => check("workflow name", name);
