/** Which states and edges of the chart of a workflow its tests have covered. */
import { type AnyTransitionDefinition, createActor, type InspectionEvent } from "xstate";
import { getStateNodes } from "xstate/graph";
import { PlanProgram } from "../../../machines/plan/program.ts";
import type { RunEvent } from "../../../machines/events.ts";
import type { PersistedSnapshot } from "../../../machines/snapshot.ts";
import type { AnyWorkflow } from "../../define/workflow.ts";
import { liveStates, type StateValue } from "../../draw/live.ts";
import { RunNotFoundError, WorkflowError } from "../../errors.ts";
import { stateKey } from "../../keys.ts";
import { checkRunId } from "../../names.ts";
import type { RunRecord } from "../../run/record/record.ts";
import { recordCodec } from "../../run/record/codec.ts";
import type { ObjectStore } from "../../store/object-store.ts";
import { readVersions } from "../../store/versions.ts";
import { type Moment, retrace } from "./retrace.ts";

/** How much of a kind was covered. */
export interface Covered {
  /** How many were covered. */
  readonly taken: number;
  /** How many there are. */
  readonly total: number;
  /** What was not covered: states by the ids that `graph` draws, edges as `state, event → target`. */
  readonly missing: readonly string[];
}

/** Collects which states and edges of the chart tests have covered. */
export interface Coverage {
  /** The coverage of the states. */
  readonly states: Covered;
  /** The coverage of the edges, including those that only an operator or the chart itself takes. */
  readonly edges: Covered;
  /** Adds what one event leads to from a snapshot. */
  take(before: PersistedSnapshot, event: RunEvent): void;
  /**
   * Adds a run, read from the versions of its record. It works on any bucket that keeps versions, such as that of a kit. Resolves with the
   * number of writes that it could not follow: those of other programs, retries, and versions that are gone.
   * @throws {RunNotFoundError} when there is no version of it.
   * @throws {WorkflowError} `invalid` for a run of another workflow, and for a store that keeps no versions.
   */
  addRun(store: ObjectStore, runId: string): Promise<number>;
  /** Both figures, with a line for each missing state and edge. */
  toString(): string;
}

interface Edge {
  readonly definition: AnyTransitionDefinition;
  readonly words: string;
}

/**
 * Makes a collector for a workflow. Pass it to `paths` as an option, add runs of a kit, or both; then read what is missing.
 *
 * @example
 * ```ts
 * const taken = coverage(order);
 * for (const path of paths(order, { coverage: taken })) await path.run();
 * expect(taken.states.missing).toEqual([]);
 * ```
 */
export function coverage(workflow: Pick<AnyWorkflow, "plan">): Coverage {
  const program = new PlanProgram(workflow.plan, { planHash: "", definitionHash: "" });
  const { machine } = program;
  const nodes = getStateNodes(machine.machine.root);
  const edges = [machine.machine.root, ...nodes].flatMap((node): Edge[] =>
    [...node.transitions.values(), node.always ?? []].flat().map((definition) => ({
      definition,
      words: wordsOf(definition),
    })),
  );
  const states = new Set<string>();
  const taken = new Set<AnyTransitionDefinition>();
  const be = (snapshot: PersistedSnapshot): void => {
    for (const id of liveStates(machine.config, snapshot["value"] as StateValue)) states.add(id);
  };
  be(program.initial());

  const take = (before: PersistedSnapshot, event: RunEvent): void => {
    const inspect = (inspected: InspectionEvent): void => {
      if (inspected.type !== "@xstate.microstep") return;
      for (const definition of inspected._transitions) taken.add(definition);
      be(inspected.snapshot as unknown as PersistedSnapshot);
    };
    be(before);
    const actor = createActor(machine.machine, { snapshot: before as never, inspect });
    actor.start();
    actor.send(event);
    be(actor.getPersistedSnapshot() as unknown as PersistedSnapshot);
  };

  return {
    take,
    async addRun(store, runId) {
      let lost = 0;
      const moments = await momentsOf(store, runId, workflow.plan.name);
      for (const [index, moment] of moments.entries()) {
        be(moment.run.snapshot);
        const before = moments[index - 1];
        if (before === undefined) continue;
        const events = retrace(program, before, moment);
        if (events === undefined) lost += 1;
        else for (const step of events) take(step.before, step.event);
      }
      return lost;
    },
    get states() {
      return covered(
        nodes.map(({ id }) => id),
        nodes.map(({ id }) => states.has(id)),
      );
    },
    get edges() {
      return covered(
        edges.map(({ words }) => words),
        edges.map(({ definition }) => taken.has(definition)),
      );
    },
    toString() {
      const part = (what: string, { taken: some, total, missing }: Covered): string =>
        [`${some} of ${total} ${what}`, ...missing.map((line) => `  ${line}`)].join("\n");
      return `${part("states", this.states)}\n${part("edges", this.edges)}`;
    },
  };
}

function covered(names: readonly string[], isTaken: readonly boolean[]): Covered {
  const missing = names.filter((_name, index) => isTaken[index] !== true);
  return { taken: names.length - missing.length, total: names.length, missing };
}

/** `order.active.charge.running, step.failed [answers] → compensating`. */
function wordsOf({ source, eventType, guard, target }: AnyTransitionDefinition): string {
  const event = eventType === "" ? "" : eventType.startsWith("xstate.done.") ? "done" : eventType;
  const condition = guard === undefined ? "" : `[${(guard as { type: string }).type}]`;
  const where = target?.map(({ id }) => id).join(" and ") ?? "itself";
  return `${[source.id, [event, condition].filter((part) => part !== "").join(" ")].filter((part) => part !== "").join(", ")} → ${where}`;
}

/** The machine part of every version of a record, oldest first; those without one are left out. */
async function momentsOf(store: ObjectStore, runId: string, workflow: string): Promise<readonly Moment[]> {
  checkRunId(runId);
  if (!store.capabilities.versions)
    throw new WorkflowError("invalid", "addRun reads the versions of a run, and this store keeps none");
  const key = stateKey(runId);
  const records: RunRecord[] = [];
  for await (const { body } of readVersions(store, key)) records.push(recordCodec.decode(body, key));
  if (records.length === 0) throw new RunNotFoundError(runId);
  const other = records.find(({ type }) => type !== workflow);
  if (other !== undefined)
    throw new WorkflowError(
      "invalid",
      `run ${JSON.stringify(runId)} is one of ${JSON.stringify(other.type)}; this is the coverage of ${JSON.stringify(workflow)}`,
    );
  return records.flatMap(({ machine }) =>
    machine === undefined ? [] : [{ run: machine, facts: machine.write.events }],
  );
}
