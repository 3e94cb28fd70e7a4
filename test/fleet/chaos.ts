/**
 * Fleets of worker processes on S3 servers that nobody here wrote, under everything that goes wrong: workers are killed and frozen, a
 * proxy cuts replies, delays them and answers with errors, clients signal, cancel, pause and resume. Then everything must have ended
 * right, with nothing left.
 *
 *   npm run chaos -- --minutes 5 --seed 7 --servers moto,versitygw,minio
 *
 * All servers at once. The seed chooses what is started and what goes wrong; when it meets what is the machine's affair.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { table } from "../../src/cli/output.ts";
import type { Random } from "../../src/host/host.ts";
import { nodeClock } from "../../src/host/node.ts";
import { seededRandom } from "../../src/host/seeded.ts";
import { connect, type Run, WorkflowClient, WorkflowError } from "../../src/index.ts";
import { atRandom, type Proxy, type ProxyFault, startProxy } from "../store/fixtures/proxy.ts";
import {
  bestKind,
  type BucketKind,
  CREDENTIALS,
  chosenServers,
  openServer,
  type Server,
  urlOf,
} from "../store/fixtures/servers.ts";
import { compileWorker, startWorker, type WorkerProcess } from "./fleet.ts";
import { type End, judgeRun, leftovers, sweepAhead } from "./judge.ts";
import { type Ledger, startLedger } from "./ledger.ts";
import { asking, line, saga, wide } from "./workflows.ts";

const WORKERS = 3;
/** Runs that are open at the same time. */
const OPEN_RUNS = 6;
/** Of all requests, so many meet a fault. */
const FAULTY = 0.03;
/** In five minutes there are some four hundred runs, thirty-five kills and a thousand faults; less than this a minute is no chaos. */
const LEAST_A_MINUTE = { runs: 10, kills: 1, faults: 20 };
/** When nothing goes wrong any more, everything is over long before this. */
const CALM_MS = 300_000;
const BUCKET = "chaos";

/** moto looks through every version of a bucket for each list of versions: minutes for each run that is judged. */
const kindOf = (server: Server): BucketKind => (server.name === "moto" ? "plain" : bestKind(server.name));

/** What became of one server's chaos. */
interface Outcome {
  readonly server: string;
  readonly version: string;
  readonly bucket: string;
  readonly at: string;
  readonly minutes: number;
  readonly seed: number;
  readonly runs: number;
  readonly ends: Readonly<Record<string, number>>;
  readonly kills: number;
  readonly freezes: number;
  readonly requests: number;
  readonly faults: number;
  readonly effects: number;
  /** Effects that were asked for more than once. */
  readonly repeated: number;
  /** Entries of runs that were over, which crashes had left for the sweeper. */
  readonly swept: number;
  readonly problems: readonly string[];
}

const FAULTS: readonly ProxyFault[] = [
  { kind: "cut-before" },
  { kind: "cut-after" },
  { kind: "cut-body", afterBytes: 20 },
  { kind: "answer-after", status: 500, code: "InternalError" },
  { kind: "answer", status: 503, code: "SlowDown" },
  { kind: "answer", status: 409, code: "ConditionalRequestConflict" },
];

class Chaos {
  readonly #server: Server;
  readonly #proxy: Proxy;
  readonly #ledger: Ledger;
  readonly #program: string;
  readonly #random: Random;
  readonly #workers: WorkerProcess[] = [];
  readonly #expected = new Map<string, readonly End[]>();
  readonly #problems: string[] = [];
  #raging = true;
  #kills = 0;
  #freezes = 0;
  #requests = 0;
  #faults = 0;
  #swept = 0;

  constructor(server: Server, proxy: Proxy, ledger: Ledger, program: string, seed: number) {
    this.#server = server;
    this.#proxy = proxy;
    this.#ledger = ledger;
    this.#program = program;
    this.#random = seededRandom(seed);
  }

  async run(minutes: number, seed: number): Promise<Outcome> {
    const at = new Date().toISOString();
    await using queue = await connect(urlOf(BUCKET, this.#proxy.endpoint), { skewMarginMs: 100 });
    const client = new WorkflowClient(queue, { workflows: [asking, line, saga, wide] });
    await Promise.all(Array.from({ length: WORKERS }, () => this.#hire()));
    this.#spoil();
    const until = nodeClock.monotonic() + minutes * 60_000;
    const goesOn = (): boolean => nodeClock.monotonic() < until;
    const people = Array.from({ length: OPEN_RUNS }, async () => {
      while (goesOn()) await this.#live(client);
    });
    while (goesOn()) await this.#strike();
    this.#raging = false;
    this.#calm();
    await this.#within("people", Promise.all(people));
    await this.#judge();
    for (const worker of this.#workers) worker.kill("SIGTERM");
    await this.#within("workers", Promise.all(this.#workers.map(({ gone }) => gone)));
    for (const worker of this.#workers) worker.kill("SIGKILL");
    return await this.#outcome(at, minutes, seed, client);
  }

  async #within(what: string, work: Promise<unknown>): Promise<void> {
    const over = new AbortController();
    const late = nodeClock.sleep(CALM_MS, { signal: over.signal }).then(
      () => "late",
      () => "early",
    );
    const first = await Promise.race([work.then(() => "done"), late]);
    over.abort();
    if (first === "late") this.#problems.push(`${what}: not over ${CALM_MS / 1000} s after everything was calm again`);
  }

  async #hire(): Promise<void> {
    const env = { ...this.#server.env, LEDGER: this.#ledger.url };
    const url = urlOf(BUCKET, this.#proxy.endpoint);
    // A line that fails may fail a start as well; that is a crash like any other.
    for (;;) {
      try {
        return void this.#workers.push(await startWorker(this.#program, url, env));
      } catch (error) {
        if (!this.#raging) return void this.#problems.push(String(error));
      }
    }
  }

  #pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#random.next() * from.length)] as T;
  }

  #count(): void {
    this.#requests += this.#proxy.requests.length;
  }

  /** Also forgets what was asked so far. */
  #spoil(): void {
    this.#count();
    const faulty = atRandom(this.#random, FAULTY, FAULTS);
    this.#proxy.reset((request, index) => {
      const fault = faulty(request, index);
      if (fault !== undefined) this.#faults += 1;
      if (fault !== undefined || this.#random.next() >= FAULTY) return fault;
      return { kind: "delay", until: nodeClock.sleep(this.#random.next() * 3_000) };
    });
  }

  #calm(): void {
    this.#count();
    this.#proxy.reset();
  }

  /** One blow, and a while until the next. */
  async #strike(): Promise<void> {
    await nodeClock.sleep(1_000 + this.#random.next() * 3_000);
    this.#spoil();
    const victim = this.#pick(this.#workers);
    if (victim === undefined) return;
    if (this.#random.next() < 0.6) {
      this.#kills += 1;
      this.#workers.splice(this.#workers.indexOf(victim), 1);
      victim.kill("SIGKILL");
      await victim.gone;
      return this.#hire();
    }
    this.#freezes += 1;
    victim.kill("SIGSTOP");
    // Sometimes longer than its leases live.
    await nodeClock.sleep(this.#random.next() * 9_000);
    victim.kill("SIGCONT");
  }

  /** One run from its start to its end, with what people do to it. */
  async #live(client: WorkflowClient): Promise<void> {
    const definition = this.#pick([line, wide, saga, saga, asking, asking]);
    const fails = this.#random.next() < 0.5;
    // An id of its own: a start whose reply is lost is asked for again.
    const id = `run-${this.#expected.size}`;
    const ends: End[] = [definition === saga && fails ? "failed" : "completed"];
    const cancelled = this.#random.next() < 0.25;
    if (cancelled) ends.push("cancelled");
    this.#expected.set(id, ends);
    const input = definition === saga ? { fails } : null;
    const run = await this.#insist(() => client.start(definition.plan.name, input, { id }));
    const acts: Promise<unknown>[] = [];
    if (definition === asking) {
      acts.push(
        this.#later(() => run.signal("answer", { yes: true })),
        this.#later(() => run.signal("go", null)),
      );
    }
    if (cancelled) acts.push(this.#later(() => run.cancel({ reason: "chaos" })));
    else if (this.#random.next() < 0.2) acts.push(this.#pause(run));
    await Promise.all(acts);
    await this.#insist(() => run.wait());
  }

  async #pause(run: Run): Promise<void> {
    await this.#later(() => run.pause({ applied: true }));
    await this.#later(() => run.resume());
  }

  /** A run that is over takes neither signals nor commands; whether it ended right is judged in the end. */
  async #later(act: () => Promise<unknown>): Promise<void> {
    await nodeClock.sleep(this.#random.next() * 4_000);
    await this.#insist(act).catch((error: unknown) => {
      if (!(error instanceof WorkflowError && error.code === "invalid")) throw error;
    });
  }

  /** Asks until the store answers. */
  async #insist<T>(act: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await act();
      } catch (error) {
        if (!(error instanceof WorkflowError && error.code === "unavailable")) throw error;
      }
    }
  }

  async #judge(): Promise<void> {
    // Past the proxy: what is really there.
    await using queue = await connect(urlOf(BUCKET, this.#server.endpoint));
    const client = new WorkflowClient(queue);
    const { store } = queue.context;
    const found = new Set<string>();
    for await (const { id } of client.list()) found.add(id);
    for (const [id, ends] of this.#expected) {
      if (!found.has(id)) this.#problems.push(`${id} was acknowledged and is not listed`);
      this.#problems.push(...(await this.#insist(() => judgeRun(client, store, this.#ledger, id, ends))));
    }
    const until = nodeClock.monotonic() + CALM_MS;
    let left: readonly string[] = [];
    do {
      this.#swept += await sweepAhead(queue);
      left = await leftovers(store);
      if (left.length > 0) await nodeClock.sleep(500);
    } while (left.length > 0 && nodeClock.monotonic() < until);
    for (const key of left) this.#problems.push(`left behind: ${key}`);
  }

  async #outcome(at: string, minutes: number, seed: number, client: WorkflowClient): Promise<Outcome> {
    const ends: Record<string, number> = {};
    for await (const { status } of client.list()) ends[status] = (ends[status] ?? 0) + 1;
    this.#count();
    const done = { runs: this.#expected.size, kills: this.#kills, faults: this.#faults };
    for (const [what, least] of Object.entries(LEAST_A_MINUTE)) {
      const count = done[what as keyof typeof done];
      if (count < Math.floor(least * minutes)) this.#problems.push(`only ${count} ${what} in ${minutes} minutes`);
    }
    const effects = [...this.#ledger.booked.values()];
    return {
      server: this.#server.name,
      version: this.#server.version,
      bucket: kindOf(this.#server),
      at,
      minutes,
      seed,
      runs: this.#expected.size,
      ends,
      kills: this.#kills,
      freezes: this.#freezes,
      requests: this.#requests,
      faults: this.#faults,
      effects: effects.length,
      repeated: effects.filter(({ asked }) => asked > 1).length,
      swept: this.#swept,
      problems: this.#problems,
    };
  }
}

async function rage(server: Server, program: string, minutes: number, seed: number): Promise<Outcome> {
  const proxy = await startProxy(server.endpoint);
  const ledger = await startLedger();
  try {
    await server.bucket(BUCKET, kindOf(server));
    return await new Chaos(server, proxy, ledger, program, seed).run(minutes, seed);
  } finally {
    await proxy.stop();
    await ledger.stop();
    await server.stop();
  }
}

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "5" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 1e6)) },
    servers: { type: "string" },
  },
});
if (values.servers !== undefined) process.env["SERVERS"] = values.servers;
process.env["AWS_ACCESS_KEY_ID"] = CREDENTIALS.accessKeyId;
process.env["AWS_SECRET_ACCESS_KEY"] = CREDENTIALS.secretAccessKey;
const [minutes, seed] = [Number(values.minutes), Number(values.seed)];
console.log(`seed ${seed}, ${minutes} minutes`);
const compiled = compileWorker();
const opened = await Promise.all(chosenServers().map(openServer));
const outcomes = await Promise.all(
  opened.flatMap((one) => (one.kind === "present" ? [rage(one.server, compiled.program, minutes, seed)] : [])),
);
compiled.remove();
const rows = outcomes.map((one) => [
  `${one.server} ${one.bucket}`,
  ...[one.runs, one.ends["completed"] ?? 0, one.ends["failed"] ?? 0, one.ends["cancelled"] ?? 0].map(String),
  ...[one.kills, one.freezes, one.requests, one.faults, one.effects, one.repeated, one.swept, one.problems.length].map(
    String,
  ),
]);
const heads = [
  "SERVER",
  "RUNS",
  "COMPLETED",
  "FAILED",
  "CANCELLED",
  "KILLS",
  "FREEZES",
  "REQUESTS",
  "FAULTS",
  "EFFECTS",
];
console.log(table([...heads, "REPEATED", "SWEPT", "PROBLEMS"], rows));
for (const { server, problems } of outcomes) for (const problem of problems) console.log(`${server}: ${problem}`);
mkdirSync(".cache", { recursive: true });
writeFileSync(".cache/chaos.json", JSON.stringify(outcomes, undefined, 2));
if (outcomes.length === 0) console.log("none of the servers is here");
process.exitCode = outcomes.length === 0 || outcomes.some(({ problems }) => problems.length > 0) ? 1 : 0;
