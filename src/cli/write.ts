/** Files that commands write. */
import { writeFile } from "node:fs/promises";
import { WorkflowError } from "../errors.ts";
import { reasonOf } from "../host/error-data.ts";

/** Writes a file. @throws {WorkflowError} `invalid` when that cannot be, with what the system says. */
export async function writeOutput(file: string, content: string | Uint8Array): Promise<void> {
  await writeFile(file, content).catch((error: unknown) => {
    throw new WorkflowError("invalid", `${file} cannot be written: ${reasonOf(error)}`, { cause: error });
  });
}
