import { defineConfig, type ViteUserConfig } from "vitest/config";

// What programs print is compared without colours, whatever the terminal or service that runs the tests asks for.
delete process.env["FORCE_COLOR"];
process.env["NO_COLOR"] = "1";

const config: ViteUserConfig = defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    pool: "forks",
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
