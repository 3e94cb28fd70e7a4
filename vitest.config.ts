import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { defineConfig, type ViteUserConfig } from "vitest/config";

// What programs print is compared without colours, whatever the terminal or service that runs the tests asks for.
delete process.env["FORCE_COLOR"];
process.env["NO_COLOR"] = "1";

const source = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

const config: ViteUserConfig = defineConfig({
  resolve: {
    // Examples import the package as users do. A test that imports one beside the sources means the same code by both names.
    alias: [
      { find: /^buquet-workflow$/, replacement: source("src/index.ts") },
      { find: /^buquet-workflow\/(draw|testing)$/, replacement: source("src/$1/index.ts") },
    ],
  },
  test: {
    globalSetup: "test/build.ts",
    include: ["test/**/*.test.ts"],
    pool: "forks",
    // To load the package takes longer than most files: each process loads it once, for all files that it gets, so no file may leave anything
    // behind. With SLOW=1 files run for minutes, and are spread over the processes only when each has one to itself.
    isolate: process.env["SLOW"] === "1",
    // Every core, and one more: tests of real processes mostly wait. By default one core is left for the watcher, half of a small machine.
    maxWorkers: availableParallelism() + 1,
    // Tests that run side by side mostly wait: for a stopped process, for the leases of a dead one.
    maxConcurrency: 8,
    // Only to find what hangs: how long a test takes is the machine's affair.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    typecheck: { enabled: true, include: ["test/types/**/*.test-d.ts"], tsconfig: "./tsconfig.json" },
    coverage: { include: ["machines/**", "src/**"] },
  },
});

export default config;
