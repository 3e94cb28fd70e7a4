/** The body of an object as text. */
import { WorkflowError } from "../errors.ts";

/** Largest object that is read; records have 4 MB at most. */
const MAX_BODY_BYTES: number = 64 * 1024 * 1024;

/** @throws {WorkflowError} `data` for an object that is too large to be one of ours. */
export function checkBodySize(key: string, bytes: number): void {
  if (bytes > MAX_BODY_BYTES)
    throw new WorkflowError("data", `${key} has ${bytes} bytes, more than the ${MAX_BODY_BYTES} that are read`);
}

/**
 * Bytes as the text that they are. A reader that puts U+FFFD in the place of what is no UTF-8 would write the object back changed. A
 * byte order mark stays: JSON has none, and other readers refuse it too.
 * @throws {WorkflowError} `data` for bytes that are not UTF-8.
 */
export function decodeBody(key: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw new WorkflowError("data", `${key} is not UTF-8 text; put an earlier version of the object back`, {
      cause: error,
    });
  }
}
