/**
 * A payment service, as somebody else would run it: charges and refunds once for each idempotency key, into a ledger of its own.
 *
 * Arguments: the ledger file; the port (0: any). It says its url to whoever started it.
 */
import { createServer, type IncomingMessage } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { readIfThere, writeWhole } from "../support/files.ts";
import { endWithParent } from "../support/processes.ts";
import { type Ledger, openLedger } from "./ledger.ts";

endWithParent();

const [path = "ledger.jsonl", port = "0"] = process.argv.slice(2);
const requestSchema = z.object({
  key: z.string(),
  order: z.string(),
  amount: z.number().optional(),
  card: z.string().optional(),
});

async function read(request: IncomingMessage): Promise<z.infer<typeof requestSchema>> {
  let text = "";
  for await (const chunk of request) text += String(chunk);
  return requestSchema.parse(JSON.parse(text));
}

function charge(ledger: Ledger, { key, order, amount = 0, card }: z.infer<typeof requestSchema>): number {
  if (card === "declined") return 402;
  // Its refund was faster: this request was on its way for too long, and nobody waits for it any more.
  if (ledger.has("void", key)) return 409;
  ledger.record({ what: "charge", key, order, amount });
  return 200;
}

function refund(ledger: Ledger, { key, order }: z.infer<typeof requestSchema>): number {
  ledger.record({ what: ledger.has("charge", key) ? "refund" : "void", key, order });
  return 200;
}

/** A ledger has one writer: the one that was here before, if it has not ended yet, must end first. */
async function waitForPredecessor(): Promise<void> {
  const url = readIfThere(`${path}.url`);
  if (url === undefined) return;
  for (;;) {
    const there = await fetch(url).then(
      (answer) => answer.text(),
      () => undefined,
    );
    if (there !== path) return;
    await sleep(20);
  }
}

await waitForPredecessor();
let ledger: Ledger | undefined;
const server = createServer((request, response) => {
  const answer = (status: number, text: string): void => void response.writeHead(status).end(text);
  if (request.method === "GET") return answer(200, path);
  const open = ledger;
  if (open === undefined) return answer(503, "not yet");
  void read(request).then(
    (body) => answer(request.url === "/refund" ? refund(open, body) : charge(open, body), "{}"),
    (error: unknown) => answer(400, String(error)),
  );
});
server.listen(Number(port), "127.0.0.1", () => {
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
  writeWhole(`${path}.url`, url);
  ledger = openLedger(path);
  process.send?.({ url });
});
