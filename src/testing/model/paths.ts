/** Every path of a model as a test of the engine. */
import { buildMachine } from "../../../machines/plan/advance.ts";
import type { RunEvent } from "../../../machines/events.ts";
import type { RunStatus } from "../../../machines/snapshot.ts";
import type { AnyWorkflow } from "../../define/workflow.ts";
import { WorkflowError } from "../../errors.ts";
import { differences } from "./compare.ts";
import type { Coverage } from "./coverage.ts";
import { type Engine, type EngineOptions, startEngine } from "./engine.ts";
import { model, type ModelState, persistedOf, projectState } from "./model.ts";
import { checkModelOptions } from "./options.ts";
import { eventWords } from "./words.ts";

/** Options of `paths`. */
export interface PathsOptions extends EngineOptions {
  /** `shortest`: one path to each state. `simple`: every path without a cycle, which are many more. @defaultValue "shortest" */
  readonly kind?: "shortest" | "simple";
  /** A collector to which each path that is run is added. @defaultValue none */
  readonly coverage?: Coverage;
}

/** A path through the model of a workflow. */
export interface WorkflowPath {
  /** What happens on it, as the name of a test. */
  readonly description: string;
  /** The events on it, in order. */
  readonly events: readonly RunEvent[];
  /** The status of the run at its end. */
  readonly status: RunStatus;
  /**
   * Takes a real engine along the path: the user's plan on a store in memory, with stubs for handlers that answer as the path says.
   * @throws {WorkflowError} `internal` at the first event after which the engine is not where the model is, with every difference.
   */
  run(): Promise<void>;
}

interface Stage {
  readonly event: RunEvent;
  readonly state: ModelState;
}

/**
 * The paths of a workflow's model. They end where nothing new can be reached; each begins with the start of a run.
 * @throws {WorkflowError} `invalid` for options that are none, or that name a step or signal that is not there.
 *
 * @example
 * ```ts
 * test.each(paths(order, { failures: 1 }))("$description", (path) => path.run());
 * ```
 */
export function paths(workflow: AnyWorkflow, options: PathsOptions = {}): readonly WorkflowPath[] {
  checkModelOptions(workflow.plan, options, "paths");
  const machine = buildMachine(workflow.plan);
  const made = model(workflow, options);
  const found = options.kind === "simple" ? made.getSimplePaths() : made.getShortestPaths();
  return found.map((path) => {
    // The first step is how XState says where it begins.
    const [first, ...stages] = path.steps as unknown as readonly Stage[];
    const { status } = projectState(machine, path.state);
    const words = stages.map(({ event }) => eventWords(event));
    const run = async (): Promise<void> => {
      await using engine = await startEngine(workflow, options);
      let before = first?.state;
      for (const [index, { event, state }] of stages.entries()) {
        const found = await compareAfter(engine, event, () => projectState(machine, state));
        if (found.length > 0) throw new WorkflowError("internal", report(words.slice(0, index + 1), found));
        if (before !== undefined) options.coverage?.take(persistedOf(machine, before), event);
        before = state;
      }
    };
    return { description: `${words.join(", ")}: ${status}`, events: stages.map(({ event }) => event), status, run };
  });
}

async function compareAfter(
  engine: Engine,
  event: RunEvent,
  expected: () => ReturnType<typeof projectState>,
): Promise<readonly string[]> {
  await engine.bring(event);
  const record = await engine.record();
  return differences(record, engine.view(record), expected());
}

function report(events: readonly string[], found: readonly string[]): string {
  const way = events.map((event, index) => `  ${index + 1}. ${event}`);
  return ["the engine left the model after", ...way, ...found.map((line) => `- ${line}`)].join("\n");
}
