/** A record of the log comes out whatever is put into it, and nothing that is logged can look like another record. */
import { EventEmitter } from "node:events";
import { describe, expect, test, vi } from "vitest";
import { errorDataOf } from "../../src/host/error-data.ts";
import type { Logger } from "../../src/host/host.ts";
import { createLogger, type LoggerOptions, withFields } from "../../src/host/logger.ts";
import { nodeHost } from "../../src/host/node.ts";
import { connect, Worker, workflow, WorkflowClient } from "../../src/index.ts";

function logged(format: LoggerOptions["format"] & string, log: (logger: Logger) => void): string {
  const records: string[] = [];
  log(createLogger({ format, write: (record) => records.push(record) }));
  expect(records).toHaveLength(1);
  return records[0] ?? "";
}

const socket = Object.assign(new Error("connect ECONNREFUSED 127.0.0.1:1"), { code: "ECONNREFUSED", port: 1 });
const charge = Object.assign(new TypeError("charge failed", { cause: socket }), { order: "o-1" });

describe("json", () => {
  const json = (log: (logger: Logger) => void): unknown => JSON.parse(logged("json", log)) as unknown;

  test("errors come out with their stack and causes, also inside of other values", () => {
    const error = { name: "TypeError", message: "charge failed", stack: expect.stringContaining("logger.test.ts") };
    expect(json((log) => log.error("odd", { error: charge, list: [charge], nothing: undefined }))).toMatchObject({
      level: "error",
      message: "odd",
      error: { ...error, cause: { message: socket.message, code: "ECONNREFUSED" }, members: { order: "o-1" } },
      list: [error],
      nothing: null,
    });
  });

  test("an error with a toJSON, an aborted request and big integers", () => {
    const request = Object.assign(new Error("401"), { toJSON: () => ({ headers: { authorization: "secret" } }) });
    const aborted = new DOMException("This operation was aborted", "AbortError");
    expect(json((log) => log.warn("odd", { request, aborted, row: { id: 1n } }))).toMatchObject({
      request: { name: "Error", message: "401" },
      aborted: { name: "AbortError", message: "This operation was aborted" },
      row: { id: "1" },
    });
  });

  test("no field takes the place of level and message", () => {
    const line = json((log) => log.info("paid", { level: "error", message: "refused" }));
    expect(line).toEqual({ level: "info", message: "paid", level_: "error", message_: "refused" });
  });

  test("characters that end lines or steer terminals are escaped", () => {
    const hostile = "\u2028{}\u2029\u009b31m\u007f\u0000\n\ud800";
    const line = logged("json", (log) => log.info(hostile, { hostile, [hostile]: 1 }));
    expect(line).toMatch(/^[ -~]+$/);
    expect(JSON.parse(line)).toMatchObject({ message: hostile, hostile });
  });
});

describe("text", () => {
  test("an error is told by name, message and code, and its stack, members and causes stand under it", () => {
    const [first, ...below] = logged("text", (log) =>
      log.error("step failed", { step: "charge", error: charge }),
    ).split("\n");
    expect(first).toBe(
      'error step failed step=charge error="TypeError: charge failed (connect ECONNREFUSED 127.0.0.1:1)"',
    );
    expect(below[0]).toMatch(/^ {4}at .*logger\.test\.ts/);
    expect(below).toContain('    with {"order":"o-1"}');
    const cause = below.indexOf("  caused by Error: connect ECONNREFUSED 127.0.0.1:1");
    expect(below[cause + 1]).toMatch(/^ {4}at .*logger\.test\.ts/);
    expect(below.at(-1)).toBe('    with {"port":1}');
  });

  test("the data of an error is told like the error, and a reason that says the same is enough", () => {
    const reason = "TypeError: charge failed (connect ECONNREFUSED 127.0.0.1:1)";
    const [first, ...below] = logged("text", (log) => log.warn("again", { reason, error: errorDataOf(charge) })).split(
      "\n",
    );
    expect(first).toBe(`warn  again reason="${reason}"`);
    expect(below.length).toBeGreaterThan(3);
  });

  test("no message, value or name begins a record of its own", () => {
    const forged = "x\nerror run failed run=r-1\u2028\u001b[2K\r";
    const error = Object.assign(new Error(forged), { stack: `Error\n    at a\rb\nerror run failed\n    at c` });
    const [first, ...below] = logged("text", (log) =>
      log.info(forged, { forged, [forged]: 1, error, list: [forged] }),
    ).split("\n");
    expect(first).toMatch(/^info [ -~]+$/);
    for (const line of below) expect(line).toMatch(/^ {2,4}[ -~]+$/);
    expect(below).toEqual(["    at a\\u000db", "    at c"]);
  });

  test("words are bare, everything else is quoted", () => {
    const line = logged("text", (log) => log.info("m", { a: "x", b: "x y", c: "", d: 'q"', e: 1, f: { g: 1n } }));
    expect(line).toBe('info  m a=x b="x y" c="" d="q\\"" e=1 f={"g":"1"}');
  });
});

test("whatever a handler in JavaScript gives instead of fields or a message, a record comes out", () => {
  const trap = (): never => {
    throw new Error("trapped");
  };
  const hostile = new Proxy(
    {},
    { get: trap, getPrototypeOf: trap, has: trap, ownKeys: trap, getOwnPropertyDescriptor: trap },
  );
  const round: { self?: unknown } = {};
  round.self = round;
  const getter = Object.defineProperty({}, "x", { get: trap, enumerable: true });
  const toJSON = { toJSON: trap };
  const odd: readonly unknown[] = [
    hostile,
    { hostile },
    round,
    { round },
    getter,
    { getter },
    { toJSON },
    null,
    "text",
    7n,
    [1],
    charge,
  ];
  for (const format of ["text", "json"] as const)
    for (const fields of odd) {
      const line = logged(format, (log) =>
        withFields(log, { run: "r" }).warn("odd", fields as Record<string, unknown>),
      );
      expect(line).toContain("odd");
      if (format === "json") expect(JSON.parse(line)).toMatchObject({ level: "warn", run: "r" });
    }
  expect(logged("json", (log) => log.error(charge as unknown as string))).toContain("charge failed");
  const alone = logged("json", (log) =>
    withFields(log, { run: "r" }).error("no", charge as unknown as Record<string, unknown>),
  );
  expect(JSON.parse(alone)).toMatchObject({ run: "r", error: { name: "TypeError", message: "charge failed" } });
});

test("without a logger, warnings and errors go to the console of the process, which a closed stream does not end", () => {
  const spy = vi.spyOn(console, "error").mockImplementation(() => {});
  try {
    const { logger } = nodeHost();
    logger.info("quiet");
    logger.warn("100 %s", { a: 1 });
    expect(spy.mock.calls).toEqual([["%s", "warn  100 %s a=1"]]);
  } finally {
    spy.mockRestore();
  }
});

test("a logger that throws, or whose methods are those of a class, costs no run anything", async () => {
  class Own extends EventEmitter implements Logger {
    lines: string[] = [];
    debug(): never {
      throw new Error("no debug");
    }
    info(): never {
      throw new Error("the disk is full");
    }
    warn(message: string): never {
      this.lines.push(message);
      throw new Error("the disk is full");
    }
    error(message: string): never {
      return this.warn(message);
    }
  }
  const own = new Own();
  const wf = workflow("loud").step("a", {
    retries: 1,
    retryPolicy: { initialMs: 1, maxMs: 1, multiplier: 1, jitter: 0 },
    run: (ctx) => {
      ctx.log.info("begins");
      if (ctx.attempt === 1) throw new Error("no");
      return 1;
    },
  });
  await using queue = await connect("memory:loud", { host: nodeHost({ logger: own }) });
  await using worker = new Worker(queue, { workflows: [wf], catchUnhandledRejections: true });
  await worker.start();
  const run = await new WorkflowClient(queue, { workflows: [wf] }).start(wf);
  expect(await run.result()).toEqual({ a: 1 });
  expect(own.lines).toEqual(["step failed and is tried again"]);
});
