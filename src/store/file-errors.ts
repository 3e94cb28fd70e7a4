/** Explains errors of the file system to users of a `file:` store, and what to do about them. */
import { reasonOf } from "../host/error-data.ts";
import { type ErrorCode, isWorkflowError, WorkflowError } from "../errors.ts";

/** `unavailable`: it may go away by itself; `invalid`: somebody has to change something. */
const MEANINGS: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  ENOSPC: ["unavailable", "the disk is full; free some space"],
  EDQUOT: ["unavailable", "the quota of the disk is used up; free some space"],
  EMFILE: ["unavailable", "this process has too many files open; raise its limit"],
  ENFILE: ["unavailable", "the system has too many files open"],
  EIO: ["unavailable", "the disk, or the network behind it, fails"],
  ESTALE: ["unavailable", "the network file system has lost it; mount it again"],
  EROFS: ["invalid", "the volume is read-only"],
  EACCES: ["invalid", "this user may not; give it the rights, or run as the user whose folder it is"],
  EPERM: ["invalid", "this user may not, or the file system cannot do it"],
  ENAMETOOLONG: [
    "invalid",
    "the path is longer than the system takes; use a folder with a shorter path, or shorter names",
  ],
  ELOOP: ["invalid", "it is a symbolic link that leads to itself"],
  ENOTDIR: ["invalid", "a file stands where a folder is needed"],
  EISDIR: ["invalid", "a folder stands where a file is needed"],
  EXDEV: ["invalid", "it is on another file system than the rest; keep the whole folder on one"],
};

/** Whether an error of the system has one of these codes. */
export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return codes.includes((error as NodeJS.ErrnoException | undefined)?.code ?? "");
}

/** An error of the system as one of this package; one of this package stays as it is. */
export function fileError(path: string, error: unknown): WorkflowError {
  if (isWorkflowError(error)) return error;
  const code = (error as NodeJS.ErrnoException | undefined)?.code ?? "";
  const [kind, advice] = MEANINGS[code] ?? ["unavailable", undefined];
  const words = advice === undefined ? reasonOf(error) : `${advice} (${reasonOf(error)})`;
  return new WorkflowError(kind, `${path} cannot be used: ${words}`, { cause: error });
}
