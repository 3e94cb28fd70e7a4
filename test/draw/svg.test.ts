/** The picture: every state once, nothing on top of anything, nothing that a name can break. */
import { readFileSync } from "node:fs";
import { type AnyStateNode, createMachine } from "xstate";
import { describe, expect, test } from "vitest";
import { orderFulfilment } from "../../examples/order-fulfilment/workflow.ts";
import { buildMachine } from "../../machines/plan/advance.ts";
import type { MachineConfig } from "../../machines/chart.ts";
import { compilePlan } from "../../machines/plan/compile.ts";
import type { Plan } from "../../machines/plan/plan.ts";
import { seededRandom } from "../../src/host/seeded.ts";
import { drawWorkflow } from "../../src/draw/index.ts";
import { liveStates, type StateValue } from "../../src/draw/live.ts";
import { chartSvg } from "../../src/draw/svg.ts";
import { done, fresh, planOf, START, started, task } from "../machines/build.ts";
import { randomPlan } from "../machines/plans.ts";
import { type Area, type DrawnState, type Picture, readPicture } from "./picture.ts";
import { chain, HOSTILE, SHAPES, sideBySide } from "./shapes.ts";

const SEED = 4_000;
const PLANS = 80;

const random = Array.from({ length: PLANS }, (_, index): readonly [string, Plan] => {
  const { next } = seededRandom(SEED + index);
  return [`seed ${SEED + index}`, randomPlan(next, index % 8 === 0 ? 25 : 9)];
});
const all: readonly (readonly [string, Plan])[] = [...Object.entries(SHAPES), ...random];

const drawn = new Map<string, Promise<Picture>>();
/** The picture of a plan, drawn once for all tests. */
function pictureOf(name: string, plan: Plan): Promise<Picture> {
  const known = drawn.get(name) ?? chartSvg(compilePlan(plan)).then(readPicture);
  drawn.set(name, known);
  return known;
}

/** All states of a machine by their ids. */
function nodesOf(config: MachineConfig): ReadonlyMap<string, AnyStateNode> {
  return (createMachine(config as never) as unknown as { idMap: ReadonlyMap<string, AnyStateNode> }).idMap;
}

describe("every state is drawn once", () => {
  test.each(all)("%s", async (name, plan) => {
    const { states } = await pictureOf(name, plan);
    const config = compilePlan(plan);
    expect(states.map(({ id }) => id).toSorted()).toEqual([...nodesOf(config).keys()].toSorted());
    // With its tags.
    const tags = new Map([...nodesOf(config)].map(([id, node]) => [id, node.tags.join(" ")]));
    for (const state of states) expect(state.tags).toBe(tags.get(state.id));
  });
});

// ------------------------------------------------------------------ geometry

const overlap = (a: Area, b: Area): boolean =>
  a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
const inside = (inner: Area, outer: Area): boolean =>
  inner.left >= outer.left && inner.right <= outer.right && inner.top >= outer.top && inner.bottom <= outer.bottom;
const shrunk = ({ left, top, right, bottom }: Area, by: number): Area => ({
  left: left + by,
  top: top + by,
  right: right - by,
  bottom: bottom - by,
});

/** States that nothing may run through. */
const SOLID = ["step", "signal", "chip", "pill", "final", "point"];
const isSolid = ({ classes }: DrawnState): boolean => SOLID.some((look) => classes.has(look));

/** Everything that is wrong with where things stand. */
function faultsOf({ states, edges, texts }: Picture): readonly string[] {
  const faults: string[] = [];
  const solid = states.filter(isSolid);
  for (const { id, area, parent, children } of states) {
    if (!(area.right > area.left && area.bottom > area.top)) faults.push(`${id} has no room`);
    if (parent !== undefined && !inside(area, parent.area)) faults.push(`${id} is not inside of ${parent.id}`);
    for (const [index, a] of children.entries())
      for (const b of children.slice(index + 1)) if (overlap(a.area, b.area)) faults.push(`${a.id} is over ${b.id}`);
  }
  for (const { look, points } of edges) {
    for (const [index, [x, y]] of points.entries()) {
      const [toX, toY] = points[index + 1] ?? [x, y];
      if (x !== toX && y !== toY) faults.push(`a way slants at ${x}, ${y}`);
      const piece = {
        left: Math.min(x, toX),
        right: Math.max(x, toX),
        top: Math.min(y, toY),
        bottom: Math.max(y, toY),
      };
      for (const state of solid)
        if (overlap(piece, shrunk(state.area, 1.5))) faults.push(`a way (${look}) runs through ${state.id}`);
    }
  }
  for (const { text, classes, y, owner } of texts) {
    if (owner === undefined || !isSolid(owner)) continue;
    if (y > owner.area.bottom - 4 || y < owner.area.top + 8)
      faults.push(`${classes} ${text} is not inside of ${owner.id}`);
  }
  return faults;
}

describe("nothing is on top of anything, and no way runs through a box", () => {
  test.each(all)("%s", async (name, plan) => {
    expect(faultsOf(await pictureOf(name, plan))).toEqual([]);
  });

  test("and a fault would be found", () => {
    const state = (id: string, left: number): DrawnState => ({
      id,
      tags: "",
      classes: new Set(["step"]),
      area: { left, top: 0, right: left + 20, bottom: 20 },
      parent: undefined,
      children: [],
    });
    const [a, b] = [state("a", 0), state("b", 10)];
    const parent = { ...state("parent", 5), classes: new Set(["frame"]), children: [a, b] };
    const picture: Picture = {
      states: [parent, { ...a, parent }, { ...b, parent }],
      edges: [
        {
          look: "flow",
          points: [
            [0, 10],
            [40, 10],
          ],
        },
      ],
      texts: [],
      elements: new Set(),
      attributes: new Set(),
    };
    const kinds = faultsOf(picture).map((fault) => fault.replaceAll(/\b(a(?! way)|b)\b/g, "x"));
    expect(new Set(kinds)).toEqual(
      new Set(["x is over x", "x is not inside of parent", "a way (flow) runs through x"]),
    );
  });
});

test.each(all)("%s: no way runs out of the picture", async (_name, plan) => {
  const svg = await drawWorkflow({ plan });
  const [width = 0, height = 0] = (/ width="(\d+)" height="(\d+)"/.exec(svg) ?? []).slice(1).map(Number);
  for (const [x, y] of readPicture(svg).edges.flatMap(({ points }) => points)) {
    expect(Math.min(x, width - x)).toBeGreaterThan(12);
    expect(Math.min(y, height - y)).toBeGreaterThan(12);
  }
});

test("levels stand from left to right: a step is to the right of all that it depends on", async () => {
  for (const [name, plan] of all) {
    const { states } = await pictureOf(name, plan);
    const config = compilePlan(plan);
    const nodes = [...nodesOf(config)];
    const areas = new Map(states.map(({ id, area }) => [id, area]));
    const stepAreas = new Map(
      nodes.flatMap(([id, { meta }]) => {
        const { step, phase } = (meta ?? {}) as { step?: string; phase?: string };
        const area = areas.get(id);
        return step === undefined || phase !== undefined || area === undefined ? [] : [[step, area] as const];
      }),
    );
    for (const { name: step, dependsOn } of plan.steps)
      for (const before of dependsOn) {
        const [left, right] = [stepAreas.get(before)?.right ?? 0, stepAreas.get(step)?.left ?? 0];
        expect(left, `${name}: ${before} → ${step}`).toBeLessThan(right);
      }
  }
});

test("what undoes stands below what does, and is marked", async () => {
  for (const [name, plan] of all) {
    const { states } = await pictureOf(name, plan);
    const find = (id: string): DrawnState | undefined => states.find((state) => state.id.endsWith(id));
    const compensating = find("compensating");
    if (compensating === undefined) continue;
    expect(compensating.classes).toContain("rollback");
    expect(find(".active")?.area.bottom).toBeLessThan(compensating.area.top);
  }
});

// ------------------------------------------------------------------ names

test("names of steps are shown in full or with an ellipsis, never as keys", async () => {
  const { texts } = await pictureOf("hostile names", SHAPES["hostile names"] as Plan);
  const labels = texts.filter(({ classes }) => classes === "name").map(({ text }) => text);
  for (const short of ["__proto__", "1", "a.b", "#x", "[*]"]) expect(labels).toContain(short);
  expect(labels.some((label) => label.includes("~"))).toBe(false);
  // The step and its undo.
  expect(labels.filter((label) => /^x+…$/.test(label))).toHaveLength(2);
});

test("the whole of a long name is told to who points at it", async () => {
  const svg = await chartSvg(compilePlan(planOf([task("x".repeat(200))])));
  expect(svg).toContain(`<title>${"x".repeat(200)}</title>`);
});

test("a name cannot break out: the elements and attributes are always the same few", async () => {
  for (const [name, plan] of all) {
    const { elements, attributes } = await pictureOf(name, plan);
    const known = ["svg", "style", "g", "title", "rect", "path", "circle", "text"];
    expect([...elements].filter((element) => !known.includes(element))).toEqual([]);
    expect([...attributes].filter((attribute) => /^on|href|src|style$/.test(attribute))).toEqual([]);
  }
  for (const name of HOSTILE)
    expect(readPicture(await chartSvg(compilePlan(planOf([task(name)])))).states).toHaveLength(12);
});

test("what XML cannot hold is replaced", async () => {
  const svg = await chartSvg(compilePlan(planOf([task("a\u0000b\u0007c\uD800d\uFFFEe\nf")])));
  expect(svg).toContain("a\uFFFDb\uFFFDc\uFFFDd\uFFFDe f");
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  expect(svg).not.toMatch(/[\u0000-\u0008\uFFFE]/);
});

// ------------------------------------------------------------------ live, deterministic, quick

describe("live states", () => {
  const litOf = (picture: Picture): readonly string[] =>
    picture.states.filter(({ classes }) => classes.has("live")).map(({ id }) => id);

  test("are lit, and nothing else", async () => {
    const run = started(SHAPES["a diamond"] as Plan);
    run.send(done("start"), done("left"));
    const svg = await drawWorkflow({ plan: SHAPES["a diamond"] as Plan }, { snapshot: run.snapshot });
    const config = compilePlan(SHAPES["a diamond"] as Plan);
    const machine = buildMachine(SHAPES["a diamond"] as Plan).machine;
    const active = machine
      .resolveState({ value: run.snapshot["value"] as never, context: {} })
      ._nodes.map(({ id }) => id);
    const lit = litOf(readPicture(svg));
    expect(lit.toSorted()).toEqual(active.filter((id) => id !== config.id).toSorted());
    expect(lit).toContain("order.active.left_and_right.right.running");
  });

  test("of every run of random plans, from its start on", async () => {
    for (const [, plan] of random.slice(0, 20)) {
      const config = compilePlan(plan);
      const run = fresh(plan);
      for (const event of [undefined, START]) {
        if (event !== undefined) run.send(event);
        const live = liveStates(config, run.snapshot["value"] as StateValue);
        const picture = readPicture(await chartSvg(config, { live }));
        expect(litOf(picture).toSorted()).toEqual([...live].toSorted());
      }
    }
  });

  test("are none without a snapshot; the root never is", async () => {
    const plan = chain(2);
    expect(litOf(readPicture(await drawWorkflow({ plan })))).toEqual([]);
    expect(litOf(readPicture(await chartSvg(compilePlan(plan), { live: ["order"] })))).toEqual([]);
  });
});

test("the same plan gives the same text, whatever was drawn in between", async () => {
  const config = compilePlan(SHAPES["one of everything"] as Plan);
  const first = await chartSvg(config);
  for (const [, plan] of random.slice(0, 5)) await chartSvg(compilePlan(plan));
  expect(await chartSvg(config)).toBe(first);
});

test("the largest plans are drawn", async () => {
  for (const plan of [chain(1_000), sideBySide(1_000)]) {
    const { states } = readPicture(await chartSvg(compilePlan(plan)));
    expect(states.filter(({ classes }) => classes.has("step")).length).toBeGreaterThanOrEqual(1_000);
  }
});

test("colours are given for light and dark, and plainly for programs that know no properties", async () => {
  const svg = await chartSvg(compilePlan(chain(1)));
  expect(svg).toContain("@media(prefers-color-scheme:dark)");
  const used = new Set([...svg.matchAll(/var\((--chart-[\w-]+)\)/g)].map((match) => match[1] ?? ""));
  for (const property of used) expect(svg.split(`${property}:#`)).toHaveLength(3);
  const count = (pattern: RegExp): number => svg.match(pattern)?.length ?? 0;
  expect(count(/(fill|stroke):#[0-9a-f]{6};\1:var/g)).toBe(count(/:var\(/g));
});

test("the picture in the docs is what is drawn", async () => {
  const inDocs = readFileSync("docs/images/order-fulfilment.svg", "utf8");
  expect(
    await drawWorkflow(orderFulfilment),
    "npx buquet-workflow graph order_fulfilment --workflows examples/order-fulfilment/workflow.ts --out docs/images/order-fulfilment.svg",
  ).toBe(inDocs);
});
