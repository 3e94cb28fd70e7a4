/**
 * `npm run record:golden`: has the real package write its objects anew, and puts those into `test/golden` that are new there or look
 * otherwise now. What differs from one recording to the next by its nature, such as ids and instants, is no reason.
 */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { goldenObject } from "../golden.ts";
import { recordGolden, shapeOf } from "./golden-recorder.ts";
import { openServer, whyNoInterop } from "./server.ts";

if (whyNoInterop() !== undefined) process.exit(1);
const server = await openServer();
const recordings = await recordGolden(server);
await server.stop();
for (const made of recordings) {
  const { folder, name, key, body, note } = made;
  const file = `test/golden/${folder}/${name}.json`;
  if (existsSync(file) && shapeOf(goldenObject(folder, name)) === shapeOf(made)) continue;
  mkdirSync(`test/golden/${folder}`, { recursive: true });
  writeFileSync(file, `${JSON.stringify({ key, body, note }, null, 1)}\n`);
  console.log(`${file}: ${note}`);
}
console.log(`${recordings.length} objects were recorded`);
