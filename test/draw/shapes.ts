/** Plans whose drawings are looked at. */
import type { Plan } from "../../machines/plan/plan.ts";
import { planOf, signal, task } from "../machines/build.ts";

const undoable = { compensate: true, onFailure: "compensate" } as const;

/** Steps one after the other. */
export function chain(length: number): Plan {
  const name = (index: number): string => `step ${index + 1}`;
  return planOf(
    Array.from({ length }, (_, index) =>
      task(name(index), { ...undoable, dependsOn: index === 0 ? [] : [name(index - 1)] }),
    ),
  );
}

/** Steps side by side, some of them with an undo. */
export function sideBySide(width: number): Plan {
  return planOf(
    Array.from({ length: width }, (_, index) => task(`fetch part ${index + 1}`, index % 3 === 0 ? undoable : {})),
  );
}

/** Names that break drawings, out of their quotes or out of their boxes. */
export const HOSTILE: readonly string[] = [
  "<script>alert(1)</script>",
  `"><img src=x onerror=alert(1)>`,
  "a & b ]]> --> %% ; : { } #quot; \\",
  "x".repeat(200),
  "W".repeat(200),
  "a_very_long_name_that_goes_on_and_on_and_on_and_on_and_on_and_does_not_end_here",
  "sendConfirmationToTheCustomerAndTheWarehouseAndEverybodyElseWhoAskedForIt",
  "预订酒店和机票然后发送确认邮件给客户并记录在系统中",
  "🦀🦀🦀👨‍👩‍👧‍👦 family ﷽ ꧁𒐫𒐫𒐫꧂",
  "\u202Ereversed",
  "__proto__",
  "constructor",
  "1",
  "a.b",
  "#x",
  "end",
  "state",
  "[*]",
];

/** Every shape that charts are made of. */
export const SHAPES: Readonly<Record<string, Plan>> = {
  "one step": planOf([task("only")]),
  "a signal": planOf([signal("go", { timeoutMs: 90_000 })]),
  "a chain of 5": chain(5),
  "a diamond": planOf([
    task("start"),
    task("left", { dependsOn: ["start"] }),
    task("right", { dependsOn: ["start"] }),
    task("finish", { dependsOn: ["left", "right"] }),
  ]),
  "20 side by side": sideBySide(20),
  "60 side by side": sideBySide(60),
  "branches of several steps": planOf([
    task("order"),
    task("pick", { dependsOn: ["order"] }),
    task("wrap", { dependsOn: ["pick"] }),
    task("label", { dependsOn: ["wrap"] }),
    task("invoice", { ...undoable, dependsOn: ["order"] }),
    task("collect", { ...undoable, dependsOn: ["invoice"] }),
    signal("confirmed", { dependsOn: ["order"], timeoutMs: 3_600_000 }),
    task("close", { dependsOn: ["label", "collect", "confirmed"] }),
  ]),
  "one of everything": planOf([
    task("validate", { onFailure: "continue" }),
    signal("approve", { dependsOn: ["validate"], timeoutMs: 604_800_000, onFailure: "pause_workflow" }),
    task("reserve", { ...undoable, dependsOn: ["validate"], delayMs: 5_000 }),
    task("charge", { dependsOn: ["approve"], compensate: true, onFailure: "pause_workflow" }),
    task("pack", { dependsOn: ["approve", "reserve"], compensate: true }),
    signal("late", { dependsOn: ["charge", "pack"], timeoutMs: 1_500, onTimeout: "continue" }),
  ]),
  "a strict chain of undos": { ...sideBySide(9), compensation: "chain" },
  "hostile names": planOf(
    HOSTILE.map((name, index) => task(name, { ...undoable, dependsOn: index < 5 ? [] : [HOSTILE[index % 5] ?? ""] })),
    { name: `"><img src=x onerror=alert(1)> & co`, version: "<b>2</b>" },
  ),
};
