/** What crosses between user code and the kept record: each side has its own copy, and what is kept is what was returned. */
import { expect, test } from "vitest";
import { untypedWorkflow } from "../../src/index.ts";
import { createTestKit } from "../../src/testing/index.ts";

test("gives two steps different idempotency keys, whatever colons their names hold, and one that a header can carry", async () => {
  const keys: string[] = [];
  const key = (ctx: { idempotencyKey: string }): void => void keys.push(ctx.idempotencyKey);
  const colons = untypedWorkflow("colons")
    .step("b:1", key)
    .step("1", key)
    .step("%3A", key)
    .step(":", key)
    .step("ü", key);
  await using kit = await createTestKit({ workflows: [colons] });
  await (await kit.client.start("colons", null, { id: "a:b" })).wait();
  await (await kit.client.start("colons", null, { id: "a" })).wait();
  expect(new Set(keys).size).toBe(10);
  expect(keys).toContain("a%3Ab:1:1");
  expect(keys).toContain("a:b%3A1:1");
  expect(keys).toContain("a:%C3%BC:1");
});
