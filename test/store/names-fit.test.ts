/** Every name that is accepted can be stored, everywhere: as a part of each key that is made of it. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { untypedWorkflow, WorkflowClient } from "../../src/index.ts";
import { nodeHost } from "../../src/host/node.ts";
import {
  activeKey,
  foreignKey,
  laterResultKey,
  interferenceKey,
  announcementKey,
  signalKey,
  stateKey,
  stepResultKey,
  typeKey,
  workerKey,
} from "../../src/keys.ts";
import { nameProblem } from "../../src/names.ts";
import { handleOf } from "../../src/queue/handle.ts";
import { decodeEntry, encodeKey } from "../../src/store/file-names.ts";
import { FileStore } from "../../src/store/file.ts";
import { MemoryStore } from "../../src/store/memory.ts";

const SEGMENT = "01JAAAAAAAAAAAAAAAAAAAAAAA.json";
const keysOf = (name: string, other = name): readonly string[] => [
  stateKey(name),
  activeKey(name, Date.UTC(2_200, 0)),
  foreignKey(name),
  stepResultKey(other, name),
  laterResultKey(other, name, 9_999),
  signalKey(other, name, SEGMENT),
  workerKey(name),
  announcementKey(name),
  typeKey(name),
  interferenceKey(name),
];

/** Throws when a key cannot be a path, and compares what is read back. */
function checkStorable(name: string): void {
  for (const key of keysOf(name)) {
    expect(encodeKey(key).map(decodeEntry).join("/")).toBe(key);
    expect(new TextEncoder().encode(key).length).toBeLessThanOrEqual(1_024);
  }
}

const CHARACTERS = ["%", "*", ":", "?", "<", '"', "|", "\\", "a", ".", " ", "~", "=", "ü", "€", "日", "🦀", "é"];

test("names of one character, of every length", () => {
  let refused = 0;
  for (const character of CHARACTERS) {
    for (let length = 1; length <= 201; length += 4) {
      const name = character.repeat(length);
      if (nameProblem(name) === undefined) checkStorable(name);
      else refused += 1;
    }
  }
  expect(refused).toBeGreaterThan(0);
});

test("names of any characters", () => {
  const names = fc.array(fc.oneof(fc.constantFrom(...CHARACTERS), fc.string({ unit: "binary", maxLength: 3 })), {
    minLength: 1,
    maxLength: 120,
  });
  fc.assert(
    fc.property(names, (parts) => {
      const name = parts.join("");
      if (nameProblem(name) === undefined) checkStorable(name);
    }),
    { seed: 20_261_201, numRuns: 500 },
  );
});

test.each(["%".repeat(200), "*".repeat(150), "?".repeat(100)])("%s is refused where it is written", async (name) => {
  const reason = "as the name of a file it takes";
  expect(() => untypedWorkflow(name)).toThrow(reason);
  expect(() => untypedWorkflow("w").step(name, () => 1)).toThrow(reason);
  expect(() => untypedWorkflow("w").signal(name)).toThrow(reason);
  const host = nodeHost();
  const queue = handleOf(new MemoryStore({ clock: host.clock }), host);
  const client = new WorkflowClient(queue, { workflows: [untypedWorkflow("w").step("a", () => 1)] });
  await expect(client.start("w", null, { id: name })).rejects.toThrow(reason);
  await expect(queue.submit(name, null)).rejects.toThrow("the task type takes more than a key of a bucket holds");
  await expect(queue.submit("t", null, { idempotency: { key: "k", scope: name } })).rejects.toThrow("the scope of its");
});

test("the longest names are put into a real folder and found there again", async () => {
  const folder = await mkdtemp(join(tmpdir(), "buquet-names-"));
  try {
    await using store = await FileStore.open(folder, { host: nodeHost(), durability: "none", versions: 0 });
    for (const character of CHARACTERS) {
      const lengths = Array.from({ length: 200 }, (_, index) => 200 - index);
      const length = lengths.find((count) => nameProblem(character.repeat(count)) === undefined) ?? 1;
      for (const key of keysOf(character.repeat(length), "run")) {
        expect(await store.put(key, "{}", "absent")).toMatchObject({ kind: "stored" });
        expect((await store.list(key)).objects).toEqual([{ key }]);
      }
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});
