/** Why a schema refuses a value, for people. */
import type { z } from "zod";

/** What a schema says, in one line. */
export function refusalOf({ issues }: Pick<z.ZodError, "issues">): string {
  return issues
    .map(({ path, message }) => (path.length === 0 ? message : `${path.map(String).join(".")}: ${message}`))
    .join("; ");
}
