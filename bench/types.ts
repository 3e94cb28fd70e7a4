/** What a typed chain costs the compiler: `npm run bench:types`. Exits 1 at 600,000 instantiations or more. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Steps of the chain. */
const STEPS = 200;
/** The most that the chain may cost. */
const MOST = 600_000;

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const cache = join(root, ".cache");

function chain(steps: number): string {
  const lines = Array.from({ length: steps }, (_, index) =>
    index === 0
      ? `  .step("s0", () => ({ n: 0 }))`
      : `  .step("s${index}", { dependsOn: ["s${index - 1}"], run: (ctx) => ({ n: ctx.results.s${index - 1}.n + 1 }) })`,
  );
  return `import { workflow } from "./package/src/index.js";\nexport const chain = workflow("chain")\n${lines.join("\n")};\n`;
}

/** Instantiations of a program that holds a chain of so many steps and nothing else, against the declarations that users install. */
export function countInstantiations(steps: number): number {
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, "types-"));
  try {
    writeFileSync(join(folder, "chain.ts"), chain(steps));
    const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin", "tsc");
    const build = [
      "-p",
      join(root, "tsconfig.build.json"),
      "--emitDeclarationOnly",
      "--outDir",
      join(folder, "package"),
    ];
    execFileSync(process.execPath, [tsc, ...build]);
    const config = { extends: "../../tsconfig.json", include: ["chain.ts"] };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
    const told = execFileSync(process.execPath, [tsc, "-p", folder, "--singleThreaded", "--extendedDiagnostics"], {
      encoding: "utf8",
    });
    const found = /^Instantiations:\s+(\d+)/m.exec(told);
    if (found?.[1] === undefined) throw new Error(`the compiler did not say how much it instantiated:\n${told}`);
    return Number(found[1]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const count = countInstantiations(STEPS);
  process.stdout.write(`${STEPS} steps: ${count} instantiations (less than ${MOST} allowed)\n`);
  if (count >= MOST) process.exitCode = 1;
}
