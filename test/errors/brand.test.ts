/** Errors are told by a brand and a code, never by the identity of their class. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import * as ours from "../../src/errors.ts";
import { connect, workflow, WorkflowClient } from "../../src/index.ts";
import { createTestKit } from "../../src/testing/index.ts";

/** The same module once more, as a second copy of the package in one process has it. */
async function secondCopy(): Promise<typeof ours> {
  vi.resetModules();
  const copy = await import("../../src/errors.ts");
  expect(copy.PermanentError).not.toBe(ours.PermanentError);
  return copy;
}

test("instanceof and isWorkflowError know errors of another copy, and tell them apart", async () => {
  const theirs = await secondCopy();
  const failed = new theirs.WorkflowFailedError("r", "run r failed", undefined);
  expect(failed).toBeInstanceOf(ours.WorkflowFailedError);
  expect(failed).toBeInstanceOf(ours.WorkflowError);
  expect(failed).not.toBeInstanceOf(ours.WorkflowCancelledError);
  expect(ours.isWorkflowError(failed)).toBe(true);
  expect(ours.isWorkflowError(failed, "failed")).toBe(true);
  expect(ours.isWorkflowError(failed, "invalid")).toBe(false);
  expect(new theirs.PermanentError("no")).toBeInstanceOf(ours.PermanentError);
  expect(new theirs.PermanentError("no")).not.toBeInstanceOf(ours.RescheduleError);
  for (const other of [new Error("no"), { name: "PermanentError", message: "no" }, "no", null, undefined, 7])
    expect(other).not.toBeInstanceOf(ours.PermanentError);
});

test("a subclass is told by its own class, and is what it extends", async () => {
  class CardDeclined extends ours.PermanentError {
    override readonly name = "CardDeclined";
  }
  class Other extends ours.PermanentError {}
  const error = new CardDeclined("no funds");
  expect([error instanceof CardDeclined, error instanceof ours.PermanentError]).toEqual([true, true]);
  expect(error).not.toBeInstanceOf(Other);
  expect(new ours.PermanentError("no")).not.toBeInstanceOf(CardDeclined);
  expect(String(error)).toBe("CardDeclined: no funds");
});

test("what throws when it is looked at is no error of ours", () => {
  const trap = (): never => {
    throw new Error("trapped");
  };
  const hostile = new Proxy({}, { get: trap, getPrototypeOf: trap, has: trap, ownKeys: trap });
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  for (const value of [hostile, proxy]) {
    expect(value instanceof ours.PermanentError).toBe(false);
    expect(ours.isWorkflowError(value)).toBe(false);
  }
});

test("names are constants, whatever a minifier calls the classes", () => {
  const instances = {
    WorkflowError: new ours.WorkflowError("data", "m"),
    RunNotFoundError: new ours.RunNotFoundError("r"),
    TimeoutError: new ours.TimeoutError("m"),
    WorkflowFailedError: new ours.WorkflowFailedError("r", "m", undefined),
    WorkflowCancelledError: new ours.WorkflowCancelledError("r", "m"),
    RetryableError: new ours.RetryableError("m"),
    PermanentError: new ours.PermanentError("m"),
    RescheduleError: new ours.RescheduleError("1s"),
  };
  for (const [name, error] of Object.entries(instances)) {
    expect(error.name).toBe(name);
    expect(error.stack).toContain(`${name}: ${error.message}`);
    expect(Object.keys(error)).not.toContain("name");
  }
  Object.defineProperty(ours.TimeoutError, "name", { value: "gu" });
  expect(new ours.TimeoutError("m").name).toBe("TimeoutError");
});

test("each kind of end has a code of its own", () => {
  expect(new ours.RunNotFoundError("r").code).toBe("not_found");
  expect(new ours.TimeoutError("m").code).toBe("timeout");
  expect(new ours.WorkflowFailedError("r", "m", undefined).code).toBe("failed");
  expect(new ours.WorkflowCancelledError("r", "m").code).toBe("cancelled");
});

test("what handlers throw means the same, whichever copy it comes from", async () => {
  const theirs = await secondCopy();
  class Declined extends theirs.PermanentError {}
  const calls = { permanent: 0, again: 0, undone: 0 };
  const wf = workflow("copies")
    .step("again", () => {
      calls.again += 1;
      if (calls.again === 1) throw new theirs.RescheduleError("10m", "later");
      return calls.again;
    })
    .step("permanent", {
      dependsOn: ["again"],
      run: (): number => {
        calls.permanent += 1;
        throw new Declined("no funds");
      },
      compensate: () => {
        calls.undone += 1;
      },
    });
  await using kit = await createTestKit({ workflows: [wf] });
  const began = kit.clock.now();
  const view = await (await kit.client.start(wf)).wait();
  expect(view.status).toBe("failed");
  expect(view.error?.message).toContain("no funds");
  expect(calls).toEqual({ permanent: 1, again: 2, undone: 0 });
  expect(kit.clock.now() - began).toBeGreaterThanOrEqual(600_000);
});

test("a URL and an AbortSignal of another realm are taken, as test environments such as jsdom bring them", async () => {
  const url = { href: "memory:another-realm", toString: (): string => "memory:another-realm" } as unknown as URL;
  await using queue = await connect(url);
  const { signal } = new AbortController();
  const theirs = new Proxy({} as AbortSignal, { get: (_, name) => Reflect.get(signal, name) as unknown });
  expect(theirs).not.toBeInstanceOf(AbortSignal);
  const client = new WorkflowClient(queue);
  await expect(client.wait("nobody", { signal: theirs })).rejects.toMatchObject({ code: "not_found" });
});

test("instanceof in the source asks for a brand, or for what never crosses a copy", async () => {
  const branded = Object.keys(ours).filter((name) => name.endsWith("Error"));
  // A class of one module that throws it and catches it, and containers.
  const own = ["Breach", "Map", "NewerLayoutError", "RecordTooLargeError", "SnapshotError", "JsonText"];
  const names = (await readdir("src", { recursive: true })).filter((name) => name.endsWith(".ts"));
  const found: string[] = [];
  for (const name of names) {
    const code = (await readFile(join("src", name), "utf8")).replaceAll(/\/\*[^]*?\*\/|\/\/.*/g, "");
    for (const [, right = ""] of code.matchAll(/ instanceof ([\w.]+)/g))
      if (!branded.includes(right) && !own.includes(right)) found.push(`${name}: instanceof ${right}`);
    if (code.includes("new.target")) found.push(`${name}: new.target`);
  }
  expect(found).toEqual([]);
});
