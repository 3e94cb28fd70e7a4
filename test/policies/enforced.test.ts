/** The policies of docs/policies.md on servers that enforce them: each program does its work and is refused the rest. */
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import type { S3Client } from "@aws-sdk/client-s3";
import { examineStore } from "../../src/cli/doctor.ts";
import { WorkflowClient } from "../../src/client/client.ts";
import { type AnyWorkflow, workflow } from "../../src/define/workflow.ts";
import { PermanentError } from "../../src/errors.ts";
import { nodeHost } from "../../src/host/node.ts";
import { readTimeline } from "../../src/inspect/history.ts";
import { activeKey } from "../../src/keys.ts";
import { handleOf, type QueueHandle } from "../../src/queue/handle.ts";
import { StoredPrograms } from "../../src/programs/stored-programs.ts";
import { sweepOnce } from "../services/sweep.ts";
import { Worker } from "../../src/services/worker.ts";
import { S3Store } from "../../src/store/s3.ts";
import { tell } from "../cli/run.ts";
import { openServer } from "../store/fixtures/servers.ts";
import { ENFORCING, grant, type Keys } from "./grant.ts";
import { permissionsOf, policyOf, type Role, ROLES, tableOf } from "./page.ts";

const host = nodeHost();
const BUCKET = "policies";
/** Generous: the machine may be busy. */
const PATIENCE = { timeout: 120_000, interval: 100 };

afterEach(() => vi.unstubAllEnvs());

/** What runs under the policies: a fork, a signal, a long step with heartbeats, retries, a delay that is parked, undos. */
function workflows(): readonly AnyWorkflow[] {
  let failures = 0;
  const order = workflow("order")
    .step("reserve", { run: () => "reserved", compensate: () => {} })
    .step("charge", { run: () => host.clock.sleep(2_500), compensate: () => {} })
    .step("flaky", {
      retryPolicy: { initialMs: 10, maxMs: 10, multiplier: 1, jitter: 0 },
      run: () => {
        failures += 1;
        if (failures === 1) throw new Error("once");
      },
    })
    .signal("go", { dependsOn: ["reserve", "charge", "flaky"], timeout: "1h" })
    .step("ship", { dependsOn: ["go"], run: () => "shipped" });
  const broken = workflow("broken")
    .step("reserve", { run: () => "reserved", compensate: () => {} })
    .step("fail", {
      dependsOn: ["reserve"],
      run: () => {
        throw new PermanentError("no");
      },
    });
  const later = workflow("later")
    .step("now", () => "now")
    .step("then", { dependsOn: ["now"], delay: "1h", run: () => "then" });
  return [order, broken, later];
}

for (const name of ENFORCING) {
  const opened = await openServer(name);
  describe(`policies on ${name}`, () => {
    if (opened.kind === "absent") return test.skip(opened.reason, () => {});
    const { server } = opened;
    let keys: Readonly<Record<Role, Keys>>;
    const handles: QueueHandle[] = [];
    let url: string;

    beforeAll(async () => {
      // A bucket with versions is not for work on versitygw; here it is about the rights to them.
      url = await server.bucket(BUCKET, "versioned");
      await server.bucket("others", "versioned");
      const policies = Object.fromEntries(ROLES.map((role) => [role, policyOf(role, BUCKET)]));
      keys = (await grant(server, BUCKET, policies)) as Readonly<Record<Role, Keys>>;
    }, 60_000);
    afterAll(async () => {
      for (const handle of handles) await handle.close();
      await server.stop();
    });

    async function open(role: Role, bucket = BUCKET): Promise<QueueHandle> {
      const store = await S3Store.open({ bucket, endpoint: server.endpoint, credentials: keys[role], host });
      const handle = handleOf(store, host, { skewMarginMs: 500 });
      handles.push(handle);
      return handle;
    }

    test("a client, a worker and an operator do their work", { timeout: 300_000 }, async () => {
      const [client, worker, operator] = [await open("client"), await open("worker"), await open("operator")];
      for (const { context } of [client, worker, operator]) expect(context.store.capabilities.versions).toBe(true);
      const definitions = workflows();
      const remote = new WorkflowClient(client, { workflows: definitions });
      const running = new Worker(worker, { workflows: definitions, poll: "200ms", lease: "3s", id: "worker" });
      await running.start();
      const isAt = (id: string, status: string) =>
        expect.poll(async () => (await remote.get(id)).status, PATIENCE).toBe(status);

      await remote.start("order", {}, { id: "order" });
      await remote.start("order", {}, { id: "order" });
      await remote.start("broken", {}, { id: "broken" });
      await remote.start("later", {}, { id: "later" });
      await remote.start("order", {}, { id: "stopped" });
      await isAt("order", "waiting_signal");
      expect(await remote.explain("order")).not.toEqual([]);
      await remote.pause("order");
      await isAt("order", "paused");
      await remote.resume("order");
      await isAt("order", "waiting_signal");
      expect((await remote.next("order")).signals).not.toEqual([]);
      await remote.signal("order", "go", { by: "me" });
      await isAt("order", "completed");
      await isAt("broken", "failed");
      await remote.retry("broken", { applied: true });
      await isAt("broken", "failed");
      await remote.cancel("stopped");
      await remote.cancel("later");
      await isAt("stopped", "cancelled");
      await isAt("later", "cancelled");
      const submit = () => client.submit("other", {}, { idempotency: { key: "one" } });
      expect(await submit()).toBe(await submit());
      const ids: string[] = [];
      for await (const { id } of remote.list()) ids.push(id);
      expect(ids).toEqual(["broken", "later", "order", "stopped"]);

      const { store } = operator.context;
      const timeline = await readTimeline(store, "order", { programs: new StoredPrograms(store, host, []) });
      expect(timeline.frames.length).toBeGreaterThan(5);
      const parked = await operator.submit("other", {}, { availableAt: Date.now() + 3_600_000 });
      expect(await operator.cancelTask(parked)).toEqual({ kind: "cancelled" });
      await store.put(activeKey("gone", Date.now() - 7_200_000), "", "always");
      const swept = await sweepOnce(operator.context);
      expect(swept).toContainEqual({ runId: "gone", status: "missing", action: "forgotten" });
      await operator.repairTasks();
      // What it finds of the store itself is not the matter here: it finds what the owner finds.
      const owner = await S3Store.open({
        bucket: BUCKET,
        endpoint: server.endpoint,
        credentials: server.credentials,
        host,
      });
      const found = async (by: typeof store): Promise<readonly string[]> =>
        (await examineStore(by, host)).results.map(({ name: check, ok }) => `${check}: ${ok}`);
      expect(await found(store)).toEqual(await found(owner));
      await owner[Symbol.asyncDispose]();
      await running.stop();
    });

    test("the command line works with the keys of each", { timeout: 120_000 }, async () => {
      const store = ["--store", url];
      const as = (role: Role): void => {
        vi.unstubAllEnvs();
        vi.stubEnv("AWS_ACCESS_KEY_ID", keys[role].accessKeyId);
        vi.stubEnv("AWS_SECRET_ACCESS_KEY", keys[role].secretAccessKey);
        vi.stubEnv("AWS_SESSION_TOKEN", keys[role].sessionToken);
      };
      as("client");
      for (const words of [
        ["start", "order", "{}", "--id", "typed"],
        ["status", "typed"],
        ["list"],
        ["cancel", "typed"],
      ])
        expect(await tell(...words, ...store)).toMatchObject({ code: 0 });
      // MinIO takes the right to list and to get for the right to list and get versions.
      expect(await tell("log", "order", ...store)).toMatchObject({ code: name === "minio" ? 0 : 2 });
      as("operator");
      for (const words of [
        ["log", "order"],
        ["show", "order", "--at", "1"],
        ["sweeper", "--once", "--tasks"],
      ])
        expect(await tell(...words, ...store)).toMatchObject({ code: 0 });
    });

    describe.each(ROLES)("a %s", (role) => {
      let raw: S3Client;
      beforeAll(async () => {
        const library = await import("@aws-sdk/client-s3");
        raw = new library.S3Client({
          endpoint: server.endpoint,
          region: "us-east-1",
          forcePathStyle: true,
          credentials: keys[role],
          maxAttempts: 1,
        });
      });
      afterAll(() => raw.destroy());

      /** What the server says: `ok`, or the name of the error. */
      const ask = (send: () => Promise<unknown>): Promise<string> =>
        send().then(
          () => "ok",
          (error: { name?: string }) => error.name ?? "",
        );

      test("may do to each key what the table says and nothing else", async () => {
        const library = await import("@aws-sdk/client-s3");
        const rows = [...tableOf()];
        expect(rows.length).toBeGreaterThan(0);
        const keysOfNobody = ["other", "workflow/run/other", "x-workflow/other", "clock/now"].map(
          (key) => [key, ""] as const,
        );
        const all = [...rows.map(([keys_, letters]) => [keys_, letters[role]] as const), ...keysOfNobody];
        for (const [pattern, letters] of all) {
          const Key = pattern.replaceAll("*", "scratch");
          const target = { Bucket: BUCKET, Key };
          await server.admin.send(new library.PutObjectCommand({ ...target, Body: "{}" }));
          const { VersionId } = await server.admin.send(new library.HeadObjectCommand(target));
          const said = {
            G: await ask(() => raw.send(new library.GetObjectCommand(target))),
            V: await ask(() => raw.send(new library.GetObjectCommand({ ...target, VersionId }))),
            P: await ask(() => raw.send(new library.PutObjectCommand({ ...target, Body: "{}" }))),
            D: await ask(() => raw.send(new library.DeleteObjectCommand(target))),
          };
          await server.admin.send(new library.DeleteObjectCommand(target));
          const held = name === "minio" && letters.includes("G") ? `${letters}V` : letters;
          const expected = Object.fromEntries(
            [..."GVPD"].map((letter) => [letter, held.includes(letter) ? "ok" : "AccessDenied"]),
          );
          expect({ Key, ...said }).toEqual({ Key, ...expected });
        }
      });

      test("is told of a missing key that it is missing, not that it is forbidden", async () => {
        const { store } = (await open(role)).context;
        const readable = permissionsOf(policyOf(role, BUCKET)).filter(({ action }) => action === "s3:GetObject");
        for (const { keys: pattern } of readable)
          expect(await store.get(pattern.replaceAll("*", "nothing"))).toEqual({ kind: "missing" });
      });

      test("may not change the bucket, destroy versions, or use another bucket", async () => {
        const library = await import("@aws-sdk/client-s3");
        const target = { Bucket: BUCKET, Key: "workflow/order/state.json" };
        const { VersionId } = await server.admin.send(new library.HeadObjectCommand(target));
        const Policy = JSON.stringify(policyOf(role, BUCKET));
        const VersioningConfiguration = { Status: "Suspended" as const };
        const said = [
          await ask(() => raw.send(new library.DeleteObjectCommand({ ...target, VersionId }))),
          await ask(() => raw.send(new library.DeleteBucketCommand({ Bucket: BUCKET }))),
          await ask(() => raw.send(new library.PutBucketPolicyCommand({ Bucket: BUCKET, Policy }))),
          await ask(() => raw.send(new library.DeleteBucketPolicyCommand({ Bucket: BUCKET }))),
          await ask(() =>
            raw.send(new library.PutBucketVersioningCommand({ Bucket: BUCKET, VersioningConfiguration })),
          ),
          await ask(() => raw.send(new library.ListObjectsV2Command({ Bucket: "others" }))),
          await ask(() => raw.send(new library.PutObjectCommand({ ...target, Bucket: "others", Body: "{}" }))),
        ];
        expect(said).toEqual(said.map(() => "AccessDenied"));
        await expect(open(role, "others")).rejects.toMatchObject({ code: "invalid" });
      });
    });
  });
}
