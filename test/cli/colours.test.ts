import { expect, test } from "vitest";
import { wantsColours } from "../../src/cli/colours.ts";

test.for<[Record<string, string>, boolean, boolean]>([
  [{}, true, true],
  [{}, false, false],
  // Many services set this for what they run; its output is a pipe all the same.
  [{ CI: "true" }, false, false],
  [{ TERM: "dumb" }, true, false],
  [{ NO_COLOR: "1" }, true, false],
  [{ NO_COLOR: "" }, true, true],
  [{ NO_COLOR: "1", FORCE_COLOR: "1" }, true, false],
  [{ FORCE_COLOR: "1" }, false, true],
  [{ FORCE_COLOR: "" }, false, true],
  [{ FORCE_COLOR: "0" }, true, false],
])("with %o on a terminal: %o, colours: %o", ([env, isTerminal, wanted]) => {
  expect(wantsColours(env, isTerminal)).toBe(wanted);
});
