/** The examples in the comments of public names, as programs that can be compiled. */
import type { Declarations } from "../api/declarations.ts";

/** An example. */
export interface Example {
  /** A name for its file, without an extension. */
  readonly file: string;
  readonly text: string;
}

/** What examples take for granted: a module that each of them imports. */
export const GIVEN = `
import { connect, workflow, WorkflowClient } from "buquet-workflow";
import { z } from "zod";
export const order = workflow("order", { input: z.object({ item: z.string() }) })
  .step("charge", { run: (ctx) => ({ paid: ctx.input.item }), compensate: () => {} })
  .step("ship", { dependsOn: ["charge"], run: (ctx) => ({ shipped: ctx.results.charge.paid }) });
export const approval = workflow("approval", {
  input: z.object({ amount: z.number() }),
  signals: { approval: z.object({ approver: z.string() }) },
}).step("wait_approval", async (ctx) => ({ approved_by: (await ctx.waitForSignal("approval"))?.approver ?? null }));
export const queue = await connect("memory:");
export const client = new WorkflowClient(queue, { workflows: [order, approval] });
/** What handlers did, for tests. */
export const ledger = { clear: (): void => {}, lines: (): string[] => [] };
`;
const GIVEN_NAMES = ["order", "approval", "queue", "client", "ledger"];

/** The examples of all entries. Each imports the names that it uses and does not declare. */
export function examplesOf(declarations: Declarations): readonly Example[] {
  const modules = new Map<string, string>([
    ...GIVEN_NAMES.map((name): [string, string] => [name, "./given.ts"]),
    ["z", "zod"],
    ["expect", "vitest"],
    ["test", "vitest"],
  ]);
  for (const entry of declarations.entries)
    for (const { name } of declarations.namesOf(entry)) modules.set(name, `buquet-workflow${entry.slice(1)}`);
  const found = declarations.entries.flatMap((entry) =>
    declarations
      .namesOf(entry)
      .flatMap(({ name, comment, members }) =>
        [comment, ...members.map((member) => member.comment)]
          .flatMap((text) => [...(text ?? "").matchAll(/^```ts\n(.*?)^```$/gms)].map((match) => match[1] ?? ""))
          .map((text) => ({ name, text: withImports(text, modules) })),
      ),
  );
  // Numbered: some file systems do not tell `workflow` from `Workflow`.
  return found.map(({ name, text }, index) => ({ file: `example-${index + 1}-${name}`, text }));
}

function withImports(text: string, modules: ReadonlyMap<string, string>): string {
  const words = new Set(text.match(/(?<![.\w"])[A-Za-z]\w*/g));
  const declared = new Set(
    [...text.matchAll(/\b(?:const|let|using)(?: \{([^}]*)\}| \[([^\]]*)\]| (\w+))/g)].flatMap((match) =>
      (match[1] ?? match[2] ?? match[3] ?? "").split(",").map((name) => name.trim()),
    ),
  );
  const imports = [...words]
    .filter((word) => !declared.has(word) && modules.has(word))
    .map((word) => `import { ${word} } from "${modules.get(word)}";`);
  return [...imports, text, "export {};"].join("\n");
}
