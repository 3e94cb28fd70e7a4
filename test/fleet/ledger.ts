/** The outside world of a fleet: a service that remembers effects by their key, and gates that hold a step until they are opened. */
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

/** What a step asks for. */
export interface Effect {
  readonly what: "do" | "undo";
  readonly key: string;
  readonly run: string;
  readonly step: string;
  /** What it was given by the steps before it. */
  readonly saw?: Readonly<Record<string, unknown>>;
}

/** What is known of one key. */
export interface Booked {
  readonly run: string;
  readonly step: string;
  /** Done, and after that undone; `refused`: undone before it was ever done, so that it cannot happen any more. */
  state: "done" | "undone" | "refused";
  /** How often it was asked for; more than once after a crash. */
  asked: number;
  /** What each asker was given by the steps before it. */
  readonly saw: unknown[];
}

export interface Ledger {
  readonly url: string;
  readonly booked: ReadonlyMap<string, Booked>;
  /** How often a step of the run came to its gate. */
  heldTimes(run: string): number;
  open(run: string): void;
  stop(): Promise<void>;
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  let text = "";
  for await (const chunk of request) text += String(chunk);
  return JSON.parse(text);
}

/** Starts it on a port of its own. */
export async function startLedger(): Promise<Ledger> {
  const booked = new Map<string, Booked>();
  const held = new Map<string, number>();
  const opened = new Set<string>();
  const waiting = new Map<string, (() => void)[]>();

  /** Doing twice is the same as once, and so is undoing; what was undone is never done again. */
  const book = ({ what, key, run, step, saw }: Effect): number => {
    const known = booked.get(key);
    const entry: Booked = known ?? { run, step, state: what === "do" ? "done" : "refused", asked: 0, saw: [] };
    booked.set(key, entry);
    if (what === "undo") {
      if (entry.state === "done") entry.state = "undone";
      return 200;
    }
    entry.asked += 1;
    if (saw !== undefined) entry.saw.push(saw);
    return entry.state === "done" ? 200 : 409;
  };

  const server = createServer((request, response) => {
    const gate = /^\/gate\/(.+)$/.exec(request.url ?? "")?.[1];
    if (gate === undefined) {
      return void readJson(request).then(
        (effect) => response.writeHead(book(effect as Effect)).end("{}"),
        () => response.destroy(),
      );
    }
    const run = decodeURIComponent(gate);
    held.set(run, (held.get(run) ?? 0) + 1);
    if (opened.has(run)) return void response.end("{}");
    waiting.set(run, [...(waiting.get(run) ?? []), () => response.end("{}")]);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    booked,
    heldTimes: (run) => held.get(run) ?? 0,
    open: (run) => {
      opened.add(run);
      for (const letGo of waiting.get(run) ?? []) letGo();
      waiting.delete(run);
    },
    stop: async () => {
      const closed = new Promise((done) => server.close(done));
      server.closeAllConnections();
      await closed;
    },
  };
}
