/** `cost`: what it prints for people and programs, and what it says to a call that makes no sense. */
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cost, type CostReport } from "../../src/cost/index.ts";
import { connect, Worker } from "../../src/index.ts";
import { tell, type Told } from "./run.ts";
import { asking, greet } from "./workflows.ts";

const MODULE = "test/cli/workflows.ts";
let folder = "";
let store = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "buquet-cost-"));
  store = `file:${join(folder, "bucket")}`;
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const ask = (...words: string[]): Promise<Told> => tell("cost", ...words, "--store", store);

test("a table of paths, without opening a bucket", async () => {
  const told = await ask("greet", "--workflows", MODULE);
  expect(told).toMatchObject({ code: 0, stderr: "" });
  expect(told.stdout).toMatch(
    /PATH +END +PUT +GET +LIST +DELETE +HEAD +S3 Standard +S3 Express One Zone +Cloudflare R2/,
  );
  expect(told.stdout).toMatch(/all goes well +completed +11 +2 +1 +3 +0 +\$60\.80 +\$13\.62 +\$54\.72/);
  expect(told.stdout).toMatch(/^as the first: hello succeeds after 3 retries$/m);
  expect(told.stdout).toContain("a worker with nothing to do, a day: 2880 PUT 24480 LIST: S3 Standard $0.14");
  expect(await readdir(folder)).toEqual([]);
});

test("--json is the report with the prices, --why what the requests are for", async () => {
  const told = await ask("asking", "--workflows", MODULE, "--waits", "ask=answer", "--duration", "45s", "--json");
  const { prices, ...report } = told.json() as CostReport & { prices: unknown };
  expect(report).toEqual(await cost(asking, { waits: { ask: [{ signal: "answer" }] }, duration: "45s" }));
  expect(prices).toHaveLength(3);
  const why = await ask("greet", "--workflows", MODULE, "--why");
  expect(why.stdout).toMatch(/^the record of the run +3 +1 +0 +0 +0$/m);
});

test("a long workflow shows its first paths, and one that is asked for", async () => {
  const steps = Array.from(
    { length: 30 },
    (_, index) => `.step("s${index}", { ${index === 0 ? "" : `dependsOn: ["s${index - 1}"], `}run: () => 1 })`,
  );
  const module = join(folder, "long.mjs");
  const entry = pathToFileURL("src/index.ts").href;
  await writeFile(
    module,
    `import { untypedWorkflow } from "${entry}";\nexport const long = untypedWorkflow("long")${steps.join("")};\n`,
  );
  const short = await ask("long", "--workflows", module);
  expect(short.stdout.split("\n").length).toBeLessThan(30);
  expect(short.stdout).toContain("47 more paths: --all counts them");
  const one = await ask("long", "--workflows", module, "--path", "s22 fails", "--json");
  expect((one.json() as CostReport).paths.map(({ path }) => path)).toEqual(["s22 fails for good"]);
  const none = await ask("long", "--workflows", module, "--path", "s220");
  expect(none).toMatchObject({ code: 2 });
  expect(none.stderr).toContain('--path "s220" is in the name of no path; there are all goes well, s0 fails for good');
});

test("what workers of the bucket serve needs no module", async () => {
  const queue = await connect(store);
  const worker = new Worker(queue, { workflows: [greet] });
  await worker.start();
  await worker.stop();
  await queue.close();
  const told = await ask("greet", "--json");
  expect((told.json() as CostReport).paths).toEqual((await cost(greet)).paths);
});

test("says what is wrong with a call", async () => {
  const wrong = async (words: readonly string[], message: RegExp): Promise<void> => {
    const told = await ask(...words);
    expect(told).toMatchObject({ code: 2, stdout: "" });
    expect(told.stderr).toMatch(message);
  };
  await wrong(["nobody"], /no workflow "nobody" is known here or was ever served/);
  await wrong(["nobody", "--workflows", MODULE], /known are greet, asking, failing/);
  await wrong(["greet", "--workflows", MODULE, "--duration", "b=1s"], /greet has no step "b"; it has hello/);
  await wrong(["greet", "--workflows", MODULE, "--duration", "1s", "--duration", "hello=1s"], /one for all steps, or/);
  await wrong(["greet", "--workflows", MODULE, "--waits", "answer"], /write step=signal/);
  await wrong(["greet", "--workflows", MODULE, "--waits", "hello="], /a half is missing/);
});
