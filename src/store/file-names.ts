/**
 * Keys as paths. Segments are percent-encoded where necessary. A file whose name has no dot, and a folder whose name has one, end with a
 * bare `%`, so that the objects `a` and `a/b` never need the same name and `workflow/wf-1/state.json` stays readable. A segment that
 * becomes too long keeps its characters and begins with `%~`.
 */
import { WorkflowError } from "../errors.ts";

/** Longest name of a file, in bytes: that of ext4, XFS, APFS and their like. */
export const LONGEST_FILE_NAME = 255;

/** One byte is left for the mark. */
const LONGEST_ENCODED = LONGEST_FILE_NAME - 1;

function encodeSegment(segment: string, caseless: boolean): string {
  const plain = percentEncode(segment);
  const encoded = caseless ? withoutCapitals(plain) : plain;
  // Letters that are kept would meet on such a disk: then the name is too long.
  if (encoded.length <= LONGEST_ENCODED || caseless) return encoded;
  // What no system takes in a name, and what we write ourselves; a dot or space at the end is cut off by some.
  return `%~${segment.replaceAll(/[%<>:"|?*\\\p{Cc}]|[. ]$/gu, (found) => `%${found.charCodeAt(0).toString(16).padStart(2, "0").toUpperCase()}`)}`;
}

/** Capitals as their codes; those of codes stay, since no code is ever spelled with small letters. */
function withoutCapitals(encoded: string): string {
  return encoded.replaceAll(/%[\dA-F]{2}|[A-Z]/gu, (found) =>
    found.length > 1 ? found : `%${found.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function percentEncode(segment: string): string {
  if (segment === "") return "%_";
  const encoded = encodeURIComponent(segment)
    .replaceAll(/%(2B|3A|40|3D|2C)/g, (code) => decodeURIComponent(code))
    .replaceAll("*", "%2A");
  return encoded.startsWith(".") ? `%2E${encoded.slice(1)}` : encoded;
}

function decodeSegment(name: string): string {
  if (name === "%_") return "";
  return decodeURIComponent(name.startsWith("%~") ? name.slice(2) : name);
}

function encodeSegments(key: string, caseless: boolean): readonly string[] {
  const segments = key.split("/").map((segment) => encodeSegment(segment, caseless));
  const last = segments.length - 1;
  return segments.map((segment, index) => ((index === last) === segment.includes(".") ? segment : `${segment}%`));
}

/** Bytes of the longest name that a part of a key needs as a file or a folder; no file system takes more than `LONGEST_FILE_NAME`. */
export function longestFileName(key: string): number {
  return Math.max(...encodeSegments(key, false).map((segment) => Buffer.byteLength(segment)));
}

/**
 * Path segments of a key. `caseless`: for a disk that does not tell capital letters from small ones.
 * @throws {WorkflowError} `invalid` for a segment that no file system takes.
 */
export function encodeKey(key: string, caseless = false): readonly string[] {
  if (/\p{Surrogate}/u.test(key))
    throw new WorkflowError("invalid", "a key holds half of a character; use well-formed text");
  const segments = encodeSegments(key, caseless);
  if (segments.every((segment) => Buffer.byteLength(segment) <= LONGEST_FILE_NAME)) return segments;
  throw new WorkflowError(
    "invalid",
    `a part of the key ${JSON.stringify(key.slice(0, 80))}… is longer than ${LONGEST_FILE_NAME} bytes; use a shorter name`,
  );
}

/** One directory entry as a part of a key. Undefined for files of our own. */
export function decodeEntry(name: string): string | undefined {
  if (name.startsWith(".")) return undefined;
  const bare = name.endsWith("%") ? name.slice(0, -1) : name;
  try {
    return decodeSegment(bare);
  } catch {
    return undefined;
  }
}
