/** A payment service with a ledger of its own: a line for each charge and refund, once for each idempotency key. */
import { appendFileSync, closeSync, existsSync, fsyncSync, openSync, readFileSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";

const ledger = process.argv[2] ?? "ledger.jsonl";
const seen = new Set(
  existsSync(ledger)
    ? readFileSync(ledger, "utf8")
        .split("\n")
        .filter((line) => line.endsWith("}"))
        .map((line) => `${JSON.parse(line).what} ${JSON.parse(line).key}`)
    : [],
);

function record(entry: { what: string; key: string; order: string; amount?: number }): void {
  const id = `${entry.what} ${entry.key}`;
  if (seen.has(id)) return;
  const file = openSync(ledger, "a");
  appendFileSync(file, `${JSON.stringify(entry)}\n`);
  fsyncSync(file);
  closeSync(file);
  seen.add(id);
}

async function read(request: IncomingMessage): Promise<{ key: string; order: string; amount?: number; card?: string }> {
  let text = "";
  for await (const chunk of request) text += String(chunk);
  return JSON.parse(text);
}

const server = createServer((request, response) => {
  void read(request).then(({ key, order, amount, card }) => {
    const what = request.url === "/refund" ? "refund" : "charge";
    if (what === "charge" && card === "declined") {
      response.writeHead(402).end("{}");
      return;
    }
    // A refund of a charge that never came in has nothing to give back.
    if (what === "charge" || seen.has(`charge ${key}`))
      record({ what, key, order, ...(amount === undefined ? {} : { amount }) });
    response.writeHead(200).end(JSON.stringify({ receipt: `${what}-${key}` }));
  });
});

server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  process.send?.({ url: `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}` });
});
process.on("disconnect", () => process.exit(0));
