/** Members of an entangled group in levels from left to right. The one place that needs a layout engine, which is loaded when it is met. */
import type { ELK, ElkNode, ElkPoint } from "elkjs/lib/elk.bundled.js";
import type { Point } from "./box.ts";

/** A group before it has a layout; members are named by their index. */
export interface GroupShape {
  readonly members: readonly { readonly width: number; readonly height: number }[];
  readonly edges: readonly (readonly [from: number, to: number])[];
}

/** A group with a layout. */
export interface GroupLayout {
  readonly width: number;
  readonly height: number;
  readonly places: readonly Point[];
  /** The ways from where the group is entered, between its members, and to where it is left. */
  readonly ways: readonly {
    readonly from: number | null;
    readonly to: number | null;
    readonly points: readonly Point[];
  }[];
  /** Heights at which the group is entered and left. */
  readonly enter: number;
  readonly leave: number;
}

const OPTIONS = {
  "elk.algorithm": "layered",
  "elk.direction": "RIGHT",
  "elk.hierarchyHandling": "INCLUDE_CHILDREN",
  "elk.edgeRouting": "ORTHOGONAL",
  "elk.padding": "[top=0,left=0,bottom=0,right=0]",
  "elk.spacing.nodeNode": "14",
  "elk.spacing.edgeNode": "12",
  "elk.spacing.edgeEdge": "8",
  "elk.layered.spacing.nodeNodeBetweenLayers": "26",
  "elk.layered.spacing.edgeNodeBetweenLayers": "12",
  "elk.layered.spacing.edgeEdgeBetweenLayers": "8",
  "elk.layered.considerModelOrder.strategy": "NODES_AND_EDGES",
  "elk.layered.nodePlacement.strategy": "BRANDES_KOEPF",
  "elk.layered.nodePlacement.bk.fixedAlignment": "BALANCED",
  "elk.randomSeed": "1",
};

let engine: Promise<ELK> | undefined;

async function load(): Promise<ELK> {
  const { default: Engine } = await import("elkjs/lib/elk.bundled.js");
  // Its types say that the constructor is one `default` further down, where Node does not find it.
  return new (Engine as unknown as new () => ELK)();
}

/** Lays a group out. The same group always gets the same layout. */
export async function layoutGroup({ members, edges }: GroupShape): Promise<GroupLayout> {
  const indices = [...members.keys()];
  const entered = new Set(edges.map(([, to]) => to));
  const left = new Set(edges.map(([from]) => from));
  const dot = (id: string, constraint: string): ElkNode => ({
    id,
    width: 0,
    height: 0,
    layoutOptions: { "elk.layered.layering.layerConstraint": constraint },
  });
  const all = [
    ...indices.filter((member) => !entered.has(member)).map((member): [string, string] => ["in", `${member}`]),
    ...edges.map(([from, to]): [string, string] => [`${from}`, `${to}`]),
    ...indices.filter((member) => !left.has(member)).map((member): [string, string] => [`${member}`, "out"]),
  ];
  engine ??= load();
  const graph: ElkNode = {
    id: "group",
    layoutOptions: OPTIONS,
    children: [
      dot("in", "FIRST"),
      ...members.map(({ width, height }, index): ElkNode => ({ id: `${index}`, width, height })),
      dot("out", "LAST"),
    ],
    edges: all.map(([from, to], index) => ({ id: `e${index}`, sources: [from], targets: [to] })),
  };
  const laid = await (await engine).layout(graph);
  const places = new Map((laid.children ?? []).map((node) => [node.id, node]));
  const index = (id: string): number | null => (id === "in" || id === "out" ? null : Number(id));
  return {
    width: laid.width ?? 0,
    height: laid.height ?? 0,
    places: indices.map((member): Point => {
      const { x = 0, y = 0 } = places.get(`${member}`) ?? {};
      return [Math.round(x), Math.round(y)];
    }),
    ways: (laid.edges ?? []).map(({ sources: [from = ""], targets: [to = ""], sections: [section] = [] }) => ({
      from: index(from),
      to: index(to),
      points: straight([section?.startPoint, ...(section?.bendPoints ?? []), section?.endPoint]),
    })),
    enter: Math.round(places.get("in")?.y ?? 0),
    leave: Math.round(places.get("out")?.y ?? 0),
  };
}

/** Whole pixels; the engine takes what is a hair from straight for straight, which would show. */
function straight(points: readonly (ElkPoint | undefined)[]): readonly Point[] {
  let before: number | undefined;
  return points
    .filter((point) => point !== undefined)
    .map((point): Point => {
      const y = Math.round(point.y);
      before = before !== undefined && Math.abs(y - before) <= HAIR ? before : y;
      return [Math.round(point.x), before];
    });
}

/** In pixels. */
const HAIR = 2;
