/** Why a schema refuses a value, for people. */
import type { z } from "zod";
import { reasonOf } from "../host/error-data.ts";

/** What a schema says, in one line. */
export function refusalOf({ issues }: Pick<z.ZodError, "issues">): string {
  return issues
    .map(({ path, message }) => (path.length === 0 ? message : `${path.map(String).join(".")}: ${message}`))
    .join("; ");
}

/** Why something could not be read, in one line: what its schema says, or what reading it threw. */
export function unreadableReason(error: unknown): string {
  return isRefusal(error) ? refusalOf(error) : reasonOf(error);
}

/** By its members: there may be more than one zod in a process. */
function isRefusal(error: unknown): error is Pick<z.ZodError, "issues"> {
  return typeof error === "object" && error !== null && "issues" in error && Array.isArray(error.issues);
}
