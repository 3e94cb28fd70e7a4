/**
 * Writes the golden records of the layout that this version writes: `npx tsx test/layout/record.ts`. Once a layout is released its
 * files are never written again; a new layout gets new ones beside them.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { registeredDefinition } from "../../src/define/registered.ts";
import { stateKey } from "../../src/keys.ts";
import { decodeRecord, RECORD_LAYOUT } from "../../src/run/record/codec.ts";
import { createTestKit } from "../../src/testing/index.ts";
import { FOLDER, type GoldenLayout, load } from "./golden-layout.ts";
import { RUNS } from "./runs.ts";

/** Stacks of errors name files: where the project stands on the machine that records is nobody's business. */
const withoutPlace = (body: string): string => body.replaceAll(process.cwd(), "/app");

await mkdir(FOLDER, { recursive: true });
for (const golden of RUNS) {
  const file = `${FOLDER}/${RECORD_LAYOUT}-${golden.name}.json`;
  if (existsSync(file)) {
    console.log(`${file} is there and stays as it is`);
    continue;
  }
  const { plan } = registeredDefinition(golden.workflow);
  await using kit = await createTestKit({ workflows: [golden.workflow] });
  const run = await kit.client.start(golden.workflow, null, { id: golden.name });
  const buckets: GoldenLayout["buckets"][number][] = [];
  const keep = async (): Promise<void> => {
    await kit.idle();
    const { objects } = await kit.store.list("");
    const contents = await Promise.all(
      objects.map(async ({ key }) => {
        const got = await kit.store.get(key);
        return [key, got.kind === "found" ? withoutPlace(got.object.body) : ""] as const;
      }),
    );
    buckets.push({ at: kit.clock.now(), objects: contents });
  };
  await golden.lead(kit, run, keep);
  await kit.idle();
  const key = stateKey(golden.name);
  const versions: GoldenLayout["versions"][number][] = [];
  for (const { versionId } of (await kit.store.versions(key)).toReversed()) {
    const got = await kit.store.getVersion(key, versionId);
    if (got.kind !== "found") throw new Error(`${key} has a version without content`);
    const body = withoutPlace(got.object.body);
    versions.push({ body, loaded: load(plan, decodeRecord(body, key)) });
  }
  const view = await run.get();
  const steps = Object.fromEntries(Object.entries(view.steps).map(([name, { status }]) => [name, status]));
  const content: GoldenLayout = { layout: RECORD_LAYOUT, plan, versions, buckets, end: { status: view.status, steps } };
  await writeFile(file, `${JSON.stringify(content, null, 1)}\n`);
  console.log(`${file}: ${versions.length} versions, ${buckets.length} buckets, ${view.status}`);
}
