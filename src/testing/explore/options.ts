/** What the options of an exploration may be, as far as that can be said without a workflow. */
import { OptionCheck } from "../check.ts";
import type { ExploreOptions } from "./explore.ts";
import type { FaultKind, SignalBehaviour } from "./setting.ts";

const namesOf = <T extends string>(names: Readonly<Record<T, true>>): readonly string[] => Object.keys(names);

// As records, so that the compiler finds what is missing here.
const OPTIONS = namesOf<keyof ExploreOptions>({
  faults: true,
  kinds: true,
  signals: true,
  outputs: true,
  always: true,
  finally: true,
  symmetry: true,
  reduce: true,
  limit: true,
  violations: true,
  onProgress: true,
});
const KINDS = namesOf<FaultKind>({
  failure: true,
  timeout: true,
  lost: true,
  late: true,
  undo: true,
  cancel: true,
  abandon: true,
  pause: true,
  terminate: true,
  retry: true,
});
const BEHAVIOUR = namesOf<keyof SignalBehaviour>({ by: true, comes: true, deadline: true });

/**
 * Refuses what no walk can mean: words that nobody reads, and numbers with which it would look at nothing. `subject`: what the options
 * belong to, as their writer calls it.
 * @throws {WorkflowError} `invalid`
 */
export function checkExploreOptions(options: ExploreOptions, subject: string): void {
  const check = new OptionCheck(subject);
  check.members("the object of options", options, OPTIONS);
  check.count("faults", options.faults, 0);
  check.count("limit", options.limit, 1);
  check.count("violations", options.violations, 1);
  for (const option of ["symmetry", "reduce"] as const) check.typed(option, options[option], "boolean");
  for (const option of ["always", "finally", "onProgress"] as const) check.typed(option, options[option], "function");
  if (options.kinds !== undefined) check.list("kinds", options.kinds);
  for (const kind of options.kinds ?? []) check.oneOf("a member of kinds", kind, KINDS);
  if (options.signals !== undefined) check.members("signals", options.signals);
  for (const [name, behaviour] of Object.entries(options.signals ?? {})) {
    const what = `signals.${name}`;
    check.members(what, behaviour, BEHAVIOUR);
    for (const member of ["comes", "deadline"] as const) check.typed(`${what}.${member}`, behaviour[member], "boolean");
  }
  if (options.outputs !== undefined) check.members("outputs", options.outputs);
  for (const [name, outputs] of Object.entries(options.outputs ?? {}))
    if (outputs !== undefined) check.list(`outputs.${name}`, outputs);
}
