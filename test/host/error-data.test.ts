/** Whatever is thrown becomes bounded data and one line that says what a person needs. */
import { createContext, runInContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { errorDataOf, errorOf, MAX_ERROR_LENGTH, reasonOf, summaryOf } from "../../src/host/error-data.ts";

const trap = (): never => {
  throw new Error("trapped");
};
const hostile: ProxyHandler<object> = {
  get: trap,
  getPrototypeOf: trap,
  has: trap,
  ownKeys: trap,
  getOwnPropertyDescriptor: trap,
};

function refusedSocket(): Error {
  const ends = ["::1", "127.0.0.1"].map((address) =>
    Object.assign(new Error(`connect ECONNREFUSED ${address}:1`), {
      code: "ECONNREFUSED",
      syscall: "connect",
      address,
      port: 1,
    }),
  );
  return Object.assign(new AggregateError(ends, ""), { code: "ECONNREFUSED" });
}

function cyclic(): Error {
  const error = new Error("round") as Error & { self?: unknown };
  error.cause = error;
  error.self = { error };
  return error;
}

function withGetters(): Error {
  const error = new Error("fine");
  for (const name of ["stack", "cause", "code", "more", "name"])
    Object.defineProperty(error, name, { get: trap, enumerable: true });
  return error;
}

const { proxy: revoked, revoke } = Proxy.revocable({}, {});
revoke();

describe("summaries", () => {
  const cases: readonly (readonly [string, unknown, string])[] = [
    ["an ordinary error", new Error("no funds"), "Error: no funds"],
    ["a code", Object.assign(new Error("no funds"), { code: "E_CARD" }), "Error: no funds (E_CARD)"],
    [
      "a refused fetch",
      new TypeError("fetch failed", {
        cause: Object.assign(new Error("connect ECONNREFUSED 127.0.0.1:1"), { code: "ECONNREFUSED" }),
      }),
      "TypeError: fetch failed (connect ECONNREFUSED 127.0.0.1:1)",
    ],
    [
      "a refused socket",
      refusedSocket(),
      "AggregateError (connect ECONNREFUSED ::1:1; connect ECONNREFUSED 127.0.0.1:1)",
    ],
    [
      "causes of causes",
      new Error("order failed", { cause: new RangeError("charge failed", { cause: "the card" }) }),
      "Error: order failed (RangeError: charge failed; the card)",
    ],
    ["a cause that says the same", new Error("bad: x", { cause: new Error("x") }), "Error: bad: x"],
    ["lines", new Error("one\n  two\r\nthree"), "Error: one two three"],
    ["an error without words", new RangeError(), "RangeError"],
    ["a text", "boom", "threw boom"],
    ["an object with a code", { code: "X" }, 'threw {"code":"X"}'],
    ["an object with a message", { message: "row is missing", code: "PGRST116" }, "Error: row is missing (PGRST116)"],
    ["nothing", undefined, "threw undefined"],
    ["null", null, "threw null"],
    ["a number", 7n, "threw 7"],
    ["a symbol", Symbol("s"), "threw Symbol(s)"],
    ["an instance", new Map(), "threw an instance of Map"],
    ["a proxy whose traps throw", new Proxy({}, hostile), "threw something that cannot be told as text"],
    [
      "a proxy of an error whose traps throw",
      new Proxy(new Error("x"), hostile),
      "threw something that cannot be told as text",
    ],
    ["a revoked proxy", revoked, "threw something that cannot be told as text"],
    ["getters that throw", withGetters(), "Error: fine"],
    ["a cycle", cyclic(), "Error: round"],
    ["an error of another realm", runInContext("new TypeError('theirs')", createContext()), "TypeError: theirs"],
    [
      "an aborted request",
      new DOMException("This operation was aborted", "AbortError"),
      "AbortError: This operation was aborted",
    ],
    ["half a character", new Error("\ud800!"), "Error: \ufffd!"],
  ];
  test.for(cases)("%s", ([, thrown, summary]) => {
    expect(summaryOf(thrown)).toBe(summary);
    const data = errorDataOf(thrown);
    expect(JSON.parse(JSON.stringify(data))).toEqual(data);
    expect(errorDataOf(errorOf(data))).toMatchObject({ message: data.message });
  });

  test("a reason ends a sentence, without the name of the error", () => {
    expect(reasonOf(Object.assign(new Error("no such file"), { code: "ENOENT" }))).toBe("no such file (ENOENT)");
    expect(reasonOf(new RangeError())).toBe("RangeError");
  });
});

test("the data keeps name, message, code, stack, causes, inner errors and members that are JSON", () => {
  const error = Object.assign(new TypeError("charge failed", { cause: refusedSocket() }), {
    code: "E_CHARGE",
    order: { id: "o-1", lines: [1, 2] },
    at: new Date(0),
    retry: () => true,
    client: new Map(),
    amount: 12n,
  });
  const data = errorDataOf(error);
  expect(data).toMatchObject({
    name: "TypeError",
    message: "charge failed",
    code: "E_CHARGE",
    members: { order: { id: "o-1", lines: [1, 2] }, at: "1970-01-01T00:00:00.000Z", amount: "12" },
    cause: {
      name: "AggregateError",
      code: "ECONNREFUSED",
      errors: [{ members: { syscall: "connect", address: "::1", port: 1 } }, { code: "ECONNREFUSED" }],
    },
  });
  expect(Object.keys(data.members ?? {})).toEqual(["order", "at", "amount"]);
  expect(data.stack).toContain("error-data.test.ts");
  const again = errorOf(data);
  expect(again).toBeInstanceOf(Error);
  expect(again).toMatchObject({ name: "TypeError", message: "charge failed", code: "E_CHARGE", order: { id: "o-1" } });
  expect(again.stack).toBe(data.stack);
  expect((again.cause as AggregateError).errors[1]).toMatchObject({ message: "connect ECONNREFUSED 127.0.0.1:1" });
});

test("nothing that is thrown makes it longer than its bound", () => {
  const long = "x\u0000\n".repeat(1_000_000);
  const chain = (depth: number): Error =>
    Object.assign(new Error(long, depth === 0 ? {} : { cause: chain(depth - 1) }), { code: long, [long]: 1, a: long });
  const wide = new AggregateError(
    Array.from({ length: 1_000 }, () => chain(3)),
    long,
  );
  const many = Object.assign(
    new Error("many"),
    Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`m${at}`, "v".repeat(900)])),
  );
  const endless = Object.assign(new Error("list"), {
    list: new Proxy([], { get: (_, name) => (name === "length" ? 1e9 : 1) }),
  });
  for (const thrown of [long, chain(50), wide, many, endless, { a: long }]) {
    expect(JSON.stringify(errorDataOf(thrown)).length).toBeLessThanOrEqual(MAX_ERROR_LENGTH);
    expect(summaryOf(thrown).length).toBeLessThan(2_100);
  }
  expect(Object.keys(errorDataOf(many).members ?? {}).length).toBeLessThanOrEqual(20);
  expect(errorDataOf(chain(2)).stack).toContain("at ");
});
