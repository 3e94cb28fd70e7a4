/** Heartbeats (protocol 1.11). */
import { leaseKey, taskKey } from "../keys.ts";
import { updateDocument } from "../store/document.ts";
import { formatInstant } from "../wire/instant.ts";
import { Claim } from "./claim.ts";
import { millisOf, type QueueContext, serverNow, taskCodec, type TaskRecord } from "./task.ts";

/**
 * Extends a lease from now; one that another renewal has extended further stays as it is. Lost: the task is not held under this lease
 * any more.
 */
export async function renewClaim(
  queue: QueueContext,
  claim: Claim,
  leaseMs: number,
): Promise<{ readonly kind: "renewed"; readonly claim: Claim } | { readonly kind: "lost" }> {
  const { task } = claim;
  const sentAt = queue.host.clock.monotonic();
  const expiresAt = serverNow(queue) + leaseMs;
  const updated = await updateDocument(
    queue.store,
    queue.host,
    taskKey(task.id),
    taskCodec,
    (current) =>
      current.status === "running" && current.lease_id === claim.leaseId
        ? {
            ...current,
            lease_expires_at: formatInstant(Math.max(expiresAt, expiryOf(current) ?? 0)),
            updated_at: formatInstant(serverNow(queue)),
          }
        : undefined,
    { value: task, etag: claim.etag },
  );
  if (updated.kind !== "updated") return { kind: "lost" };
  const next = leaseKey(task.id, expiryOf(updated.value) ?? expiresAt);
  const heldUntil = expiryOf(task);
  const before = heldUntil === undefined ? undefined : leaseKey(task.id, heldUntil);
  // Keys are by minute: within one minute the key stands already.
  if (next !== before) {
    await queue.store.put(next, "", "always");
    if (before !== undefined) await queue.store.delete(before);
  }
  return { kind: "renewed", claim: new Claim(updated.value, updated.etag, sentAt + leaseMs - queue.skewMarginMs) };
}

function expiryOf({ lease_expires_at: expiresAt }: TaskRecord): number | undefined {
  return expiresAt === null ? undefined : millisOf(expiresAt);
}
