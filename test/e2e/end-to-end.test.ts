/** Everything that a user does, on S3 servers that nobody here wrote: real processes, the real SDK, the command line. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readLedger } from "../../examples/order-fulfilment/ledger.ts";
import { readReservation } from "../../examples/order-fulfilment/warehouse.ts";
import { connect, type QueueHandle, type RunView, WorkflowClient } from "../../src/index.ts";
import { LEASES_PREFIX, READY_PREFIX } from "../../src/keys.ts";
import { listKeys } from "../../src/store/paging.ts";
import { tell, type Told } from "../cli/run.ts";
import { inFolder, runProgram } from "../examples/programs.ts";
import { compileWorker, startWorker, type WorkerProcess } from "../fleet/fleet.ts";
import { judgeRun, type End, leftovers, sweepAhead } from "../fleet/judge.ts";
import { type Ledger, startLedger } from "../fleet/ledger.ts";
import { asking, holding, line, saga, stubborn, wide } from "../fleet/workflows.ts";
import { bestKind, chosenServers, CREDENTIALS, openServer, type Server } from "../store/fixtures/servers.ts";

/** Long enough for a busy machine; only what hangs waits for it. */
const LONG = { timeout: 120_000, interval: 100 };
const WORKFLOWS = [asking, holding, line, saga, stubborn, wide];

const compiled = compileWorker();
afterAll(() => compiled.remove());
// What a user's shell has: clients and the command line in this process take them from here.
process.env["AWS_ACCESS_KEY_ID"] = CREDENTIALS.accessKeyId;
process.env["AWS_SECRET_ACCESS_KEY"] = CREDENTIALS.secretAccessKey;

for (const name of chosenServers()) {
  const opened = await openServer(name);
  describe.skipIf(opened.kind === "absent")(`from end to end on ${name}`, () => {
    const server = opened.kind === "present" ? opened.server : ({} as Server);
    const kind = bestKind(name);
    let url: string;
    let ledger: Ledger;
    let queue: QueueHandle;
    let client: WorkflowClient;
    const workers: WorkerProcess[] = [];

    beforeAll(async () => {
      url = await server.bucket("end-to-end", kind);
      ledger = await startLedger();
      process.env["LEDGER"] = ledger.url;
      queue = await connect(url);
      client = new WorkflowClient(queue, { workflows: WORKFLOWS });
    });
    afterAll(async () => {
      for (const worker of workers) worker.kill("SIGKILL");
      await queue.close();
      await ledger.stop();
      await server.stop();
    });

    const hire = async (): Promise<WorkerProcess> => {
      const worker = await startWorker(compiled.program, url, server.env);
      workers.push(worker);
      return worker;
    };
    const dismiss = async (worker: WorkerProcess, signal: NodeJS.Signals): Promise<void> => {
      worker.kill(signal);
      await worker.gone;
    };
    const command = async (...words: string[]): Promise<Told> => {
      const told = await tell(...words, "--store", url);
      expect(told.stderr).toBe("");
      return told;
    };
    const until = async (id: string, status: RunView["status"]): Promise<void> => {
      await expect.poll(async () => (await client.get(id)).status, LONG).toBe(status);
    };
    const ended = async (id: string, ...ends: End[]): Promise<void> => {
      await client.wait(id, { timeout: 120_000 });
      expect(await judgeRun(client, queue.context.store, ledger, id, ends)).toEqual([]);
    };

    test("a step is handed on by a worker that is killed, and by one that stops", async () => {
      const first = await hire();
      const run = await client.start(holding);
      await expect.poll(() => ledger.heldTimes(run.id), LONG).toBe(1);
      const second = await hire();
      await dismiss(first, "SIGKILL");
      await expect.poll(() => ledger.heldTimes(run.id), LONG).toBe(2);
      ledger.open(run.id);
      await ended(run.id, "completed");
      const another = await client.start(holding);
      await expect.poll(() => ledger.heldTimes(another.id), LONG).toBe(1);
      await hire();
      second.kill("SIGTERM");
      ledger.open(another.id);
      await second.gone;
      await ended(another.id, "completed");
    });

    test("steps run in a row and side by side, over two workers", async () => {
      await hire();
      const started = await Promise.all([line, wide, line, wide, line, wide].map((one) => client.start(one)));
      for (const run of started) await ended(run.id, "completed");
      const view = await client.get(started[1]?.id ?? "");
      expect(Object.keys(view.steps)).toEqual(["split", "w", "x", "y", "z", "join"]);
    });

    test("a run waits for its signals, from a client and from the command line", async () => {
      const run = await client.start(asking, null, { id: "asking-1" });
      await until(run.id, "waiting_signal");
      await command("signal", run.id, "answer", '{"yes":true}');
      await expect.poll(async () => (await client.get(run.id)).currentSteps, LONG).toEqual(["go"]);
      expect((await command("next", run.id, "--json")).stdout).toContain('"go"');
      await run.signal("go", { by: "the client" });
      await ended(run.id, "completed");
      expect(await run.result()).toMatchObject({ finish: {} });
      expect((await client.get(run.id)).steps["ask"]?.result).toMatchObject({ yes: true });
    });

    test("what was done is undone when a step fails, and when the run is cancelled", async () => {
      const failing = await client.start(saga, { fails: true });
      await ended(failing.id, "failed");
      const run = await client.start(asking);
      await until(run.id, "waiting_signal");
      await command("cancel", run.id, "--reason", "nobody wants it");
      await ended(run.id, "cancelled");
      for (const [id, steps] of [
        [failing.id, ["charge", "notify", "reserve"]],
        [run.id, ["prepare"]],
      ] as const) {
        const undone = [...ledger.booked.values()].filter((booked) => booked.run === id && booked.state === "undone");
        expect(undone.map(({ step }) => step).toSorted()).toEqual(steps);
      }
    });

    test("a person pauses, resumes, retries and terminates", async () => {
      const run = await client.start(asking);
      await until(run.id, "waiting_signal");
      await command("pause", run.id, "--reason", "lunch");
      await until(run.id, "paused");
      await run.signal("answer", { yes: false });
      await run.signal("go", null);
      await command("resume", run.id);
      await ended(run.id, "completed");
      const failed = await client.start(stubborn);
      await ended(failed.id, "failed");
      await command("retry", failed.id);
      await until(failed.id, "completed");
      await ended(failed.id, "completed");
      const held = await client.start(holding);
      await expect.poll(() => ledger.heldTimes(held.id), LONG).toBe(1);
      await command("terminate", held.id);
      expect((await client.wait(held.id, { timeout: 120_000 })).status).toBe("cancelled");
      ledger.open(held.id);
    });

    test("the command line starts a run, shows it, lists it and tells its history", async () => {
      const module = compiled.program.replace(/worker\.js$/, "workflows.js");
      const started = await command("start", "line", "--id", "typed", "--workflows", module, "--json");
      expect(started.stdout).toContain("typed");
      await command("watch", "typed");
      await ended("typed", "completed");
      expect((await command("status", "typed")).stdout).toContain("typed  line  completed");
      expect((await command("steps", "typed", "--json")).stdout).toContain('"completed"');
      expect((await command("list", "--type", "line", "--json")).stdout).toContain('"typed"');
      const log = (await command("log", "typed", "--json")).json() as { writes: unknown[] };
      // Without versions there is only what is now.
      if (kind === "versioned") expect(log.writes.length).toBeGreaterThan(5);
      if (kind === "versioned") expect((await command("diff", "typed", "1", "2")).stdout).not.toBe("");
      expect((await command("show", "typed", "--json")).json()).toMatchObject({ id: "typed" });
    });

    test("a run whose workers and index keys are gone is found by the sweeper", async () => {
      const run = await client.start(holding);
      await expect.poll(() => ledger.heldTimes(run.id), LONG).toBe(1);
      for (const worker of workers.splice(0)) await dismiss(worker, "SIGKILL");
      const { store } = queue.context;
      for (const prefix of [READY_PREFIX, LEASES_PREFIX]) {
        for await (const key of listKeys(store, prefix)) await store.delete(key);
      }
      // Once the lease of the dead is over.
      const sweep = async (): Promise<string> => (await tell("sweeper", "--once", "--tasks", "--store", url)).stderr;
      await expect.poll(sweep, LONG).toMatch(/^[1-9]\d* tasks got their index key again/);
      ledger.open(run.id);
      await hire();
      await ended(run.id, "completed");
    });

    test("the example of the orders ends right, over a kill of all its processes", async () => {
      const bucket = await server.bucket("orders", kind);
      await inFolder(async (folder) => {
        const home = join(folder, "demo");
        const ledgerFile = join(home, "ledger.jsonl");
        const killed = await runProgram("examples/order-fulfilment/demo.ts", [home, "", bucket], {
          // The first card is charged, and no order is over.
          killAllWhen: () => existsSync(ledgerFile) && readFileSync(ledgerFile, "utf8").includes("charge"),
          env: server.env,
        });
        expect(killed.signal, killed.output).toBe("SIGKILL");
        const { code, output } = await runProgram("examples/order-fulfilment/demo.ts", [home, "", bucket], {
          env: server.env,
        });
        expect(code, `${killed.output}\n${output}`).toBe(0);
        await using orders = await connect(bucket);
        const asks = new WorkflowClient(orders);
        const booked = readLedger(join(home, "ledger.jsonl")).filter(({ what }) => what !== "void");
        const ends: Record<string, string> = {};
        for await (const view of asks.list()) {
          const order = view.id.replace("order-", "");
          const effects = booked.filter((entry) => entry.order === order).map(({ what }) => what);
          ends[order] = `${view.status} ${effects.join("+")} ${readReservation(join(home, "stock"), order)?.state}`;
        }
        expect(ends).toEqual({
          "1001": "completed charge reserved",
          "1002": "completed charge reserved",
          "1003": "failed  released",
          "1004": "completed charge reserved",
          "1005": "failed charge+refund released",
          "1006": "cancelled charge+refund released",
          "1007": "completed charge reserved",
          "1008": "failed  released",
        });
      });
    });

    test("nothing is left under the index keys", async () => {
      const sweep = async (): Promise<readonly string[]> => {
        await sweepAhead(queue);
        return leftovers(queue.context.store);
      };
      await expect.poll(sweep, LONG).toEqual([]);
    });
  });
}
