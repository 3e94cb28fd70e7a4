import { createHash } from "node:crypto";

/** The namespace of every computed task id (constant for ever: ids must be the same in every version). */
const NAMESPACE = Buffer.from("8c5a3c0e1f5b5d3a9b7e6d2f4a1c0b9d", "hex");

/** UUID version 5 (RFC 9562 §5.5) of a name in this project's namespace: the same name always gives the same id. */
export function computeUuid(name: string): string {
  const hash = createHash("sha1").update(NAMESPACE).update(name, "utf8").digest().subarray(0, 16);
  hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x50;
  hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80;
  const hex = hash.toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** Hex digest of bytes, or of the UTF-8 bytes of a text. */
export function sha256Hex(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}
