/** How the tests of `machines/` run for each mutant: few plans, none of them shrunk, no walk, nothing large, because there are many mutants. */
import { defineConfig, type ViteUserConfig } from "vitest/config";

const config: ViteUserConfig = defineConfig({
  test: {
    include: ["test/machines/**/*.test.ts"],
    exclude: ["test/machines/walk.test.ts", "test/machines/limits.test.ts"],
    env: { PLANS: "20", SHRINK: "no" },
    testTimeout: 20_000,
    bail: 1,
    sequence: { shuffle: false },
  },
});

export default config;
