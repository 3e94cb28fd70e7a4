/** A chart for other tools: the config as JSON, and as a TypeScript module that makes the same machine. */
import type { MachineConfig, Named, StateConfig } from "../../machines/chart.ts";

/** The config as JSON, states in document order; `createMachine(JSON.parse(…))` has the same states and transitions. */
export function chartJson(config: MachineConfig): string {
  return `${JSON.stringify(config, undefined, 2)}\n`;
}

/**
 * A module that exports the same machine, for editors. Its actions do nothing, and its guards throw: a guard that always passed would
 * make `can` and an actor take ways that the engine never takes. `workflow.machine` is the machine with its guards and actions.
 */
export function chartSource(config: MachineConfig): string {
  const guards = new Set<string>();
  const actions = new Set<string>();
  collect(config, guards, actions);
  const stubs = (names: ReadonlySet<string>, body: (name: string) => string): string =>
    [...names]
      .toSorted()
      .map((name) => JSON.stringify(name))
      .map((name) => `    ${name}: ${body(name)},\n`)
      .join("");
  return `import { setup } from "xstate";

/** The guards and actions of a workflow are not part of its drawing: import the workflow and use workflow.machine to run it. */
const absent = (guard: string) => (): never => {
  throw new Error("the guard " + guard + " is not part of this drawing; use workflow.machine");
};

export const machine = setup({
  guards: {
${stubs(guards, (name) => `absent(${name})`)}  },
  actions: {
${stubs(actions, () => "() => {}")}  },
}).createMachine(${escape(JSON.stringify(config, undefined, 2))});
`;
}

function collect(state: StateConfig, guards: Set<string>, actions: Set<string>): void {
  const act = (list: readonly Named[] = []): void => {
    for (const { type } of list) actions.add(type);
  };
  act(state.entry);
  act(state.exit);
  const done = typeof state.onDone === "string" ? [] : (state.onDone ?? []);
  for (const { guard, actions } of [...Object.values(state.on ?? {}).flat(), ...(state.always ?? []), ...done]) {
    if (guard !== undefined) guards.add(guard.type);
    act(actions);
  }
  for (const child of Object.values(state.states ?? {})) collect(child, guards, actions);
}

/** JSON is JavaScript but for two line ends, which old readers break at. */
const escape = (json: string): string => json.replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029");
