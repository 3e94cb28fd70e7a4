import { expect, test } from "vitest";
import { WHOLE } from "../setting.ts";
import { countInstantiations } from "../../bench/types.ts";

// It compiles for some seconds: with SLOW=1, as in .ci/run.
test.runIf(WHOLE)("a chain of 200 typed steps costs the compiler fewer than 600,000 instantiations", () => {
  const empty = countInstantiations(1);
  const chain = countInstantiations(200);
  // A count that does not grow with the chain would be a count of something else.
  expect(chain).toBeGreaterThan(empty + 10_000);
  expect(chain).toBeLessThan(600_000);
});
