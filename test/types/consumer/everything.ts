/** What a project of a user may export: everything that the package gives, without a type written by hand. Compiled by `consumer.test.ts`. */
import {
  connect,
  FileStore,
  handleOf,
  meterStore,
  nodeHost,
  openStore,
  type Run,
  type RunOf,
  type StepContext,
  untypedWorkflow,
  Worker,
  workflow,
  WorkflowClient,
} from "buquet-workflow";
import { cost as priceOf } from "buquet-workflow/cost";
import { drawWorkflow } from "buquet-workflow/draw";
import {
  coverage,
  crashEverywhere,
  createTestKit,
  explore,
  LimitedBucket,
  MemoryStore,
  model,
  paths,
  R2_LIMITS,
  replay,
  storeCases,
  storeRaces,
} from "buquet-workflow/testing";
import { z } from "zod";

interface Tree {
  readonly name: string;
  readonly inner?: readonly Tree[];
  readonly note: string | undefined;
}

export const order = workflow("order").step("a", () => 1);
export const all = workflow("all", {
  input: z.object({ n: z.number(), unit: z.string().default("kg") }),
  signals: { approval: z.object({ by: z.string(), level: z.coerce.number() }) },
})
  .step("a", (ctx) => ({ n: ctx.input.n, body: JSON.parse("1") as unknown, note: undefined as string | undefined }))
  .step("tree", (): Tree => ({ name: "root", note: undefined }))
  .step("b", {
    dependsOn: ["a", "tree"],
    onFailure: "continue",
    run: (ctx) => ctx.results.a,
    compensate: (_ctx, result) => result?.n,
  })
  .signal("approval", { dependsOn: ["b"], timeout: "7d", onTimeout: "continue" })
  .signal("other", { dependsOn: ["b"], schema: z.string() })
  .step("elsewhere", { dependsOn: ["approval"], remote: true })
  .step("last", {
    dependsOn: ["elsewhere", "other"],
    onFailure: "pause_workflow",
    run: async (ctx) => ({ result: ctx.results.elsewhere, signal: await ctx.waitForSignal("approval") }),
  })
  .output((results) => ({ last: results.last, b: results.b, tree: results.tree }));
export const named = workflow<{ n: number }, { go: { ok: boolean } }>("named").step("a", (ctx) => ctx.input.n);
export const untyped = untypedWorkflow("untyped").step("x", () => 1);

export const host = nodeHost();
export const opened = connect("memory:x");
export const makeClient = async () => new WorkflowClient(await opened, { workflows: [order, all] });
export const makeWorker = async () => new Worker(await opened, { workflows: [order], lease: "30s" });
export const byName = async () => (await makeClient()).start("all", { n: 1 });
export const byDefinition = async () => (await makeClient()).start(order);
export const result = async () => (await byName()).result();
export const results = async () => (await byDefinition()).result();
export const views = async () => (await makeClient()).list();
export const view = async () => (await makeClient()).get("id");
export const snapshot = async () => (await view()).snapshot;
export const next = async () => (await makeClient()).next("id");
export const bulk = async () => (await makeClient()).bulk({ type: "retry" });
export const memory = new MemoryStore({ clock: host.clock });
export const handle = handleOf(memory, host);
export const { closed } = handle;
export const { machine, plan, types } = order;
export const metered = meterStore(memory);
export const cost = priceOf(order);
export const svg = drawWorkflow(order);
export const kit = createTestKit({ workflows: [order, all] });
export const testModel = model(order);
export const everyPath = paths(order);
export const covered = coverage(order);
export const explored = explore(order);
export const functions = { crashEverywhere, replay, openStore, storeCases, storeRaces };
export const classes = { FileStore, LimitedBucket };
export const limits = R2_LIMITS;

export class Client extends WorkflowClient {}
export const describeStep = (ctx: StepContext<{ n: number }, object, object>) => `${ctx.step} of ${ctx.input.n}`;
/** What is typed is taken where nothing is known. */
export const ids = async () => {
  const client: WorkflowClient = await makeClient();
  const run: Run = await client.start("all", { n: 1 });
  const typed: Run = await byName();
  return [run.id, typed.id];
};
export type AllRun = RunOf<typeof all>;
