/** Talks to the payment service, a process of its own. */
import { PermanentError } from "buquet-workflow";

/** Charges or refunds. Declined cards fail for good; a service that does not answer is tried again. */
export async function payments(
  what: "charge" | "refund",
  body: { readonly key: string; readonly order: string; readonly amount?: number; readonly card?: string },
  signal: AbortSignal,
): Promise<{ receipt: string }> {
  const url = process.env["PAYMENTS_URL"];
  if (url === undefined) throw new Error("PAYMENTS_URL is not set");
  const answer = await fetch(`${url}/${what}`, { method: "POST", body: JSON.stringify(body), signal });
  if (answer.status === 402) throw new PermanentError("the card was declined");
  if (!answer.ok) throw new Error(`the payment service answered ${answer.status}`);
  return { receipt: `${what} ${body.key}` };
}
