/** Explains why a schema refuses a value. */
import { reasonOf } from "../host/error-data.ts";

/** What a schema gives as its reasons: zod's own errors, and those of Standard Schema. */
interface Refusal {
  readonly issues: readonly {
    readonly message: string;
    readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
  }[];
}

/** What a schema says, in one line. */
export function refusalOf({ issues }: Refusal): string {
  const reasons = issues
    .map(({ path = [], message }) => {
      const names = path.map((part) => String(typeof part === "object" ? part.key : part));
      return names.length === 0 ? message : `${names.join(".")}: ${message}`;
    })
    .join("; ");
  return reasons === "" ? "its schema gives no reason" : reasons;
}

/** Why something could not be read, in one line: what its schema says, or what reading it threw. */
export function unreadableReason(error: unknown): string {
  return isRefusal(error) ? refusalOf(error) : reasonOf(error);
}

/** By its members: there may be more than one zod in a process. */
function isRefusal(error: unknown): error is Refusal {
  return typeof error === "object" && error !== null && "issues" in error && Array.isArray(error.issues);
}
