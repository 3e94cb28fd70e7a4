/**
 * A DAG as a series/parallel tree.
 *
 * Weakly connected parts run side by side. A part is cut in series before position k (dependencies come first) when the steps that are
 * ancestors of every later one are exactly the first k: the cut adds no dependency that was not there. What is left
 * is irreducible and becomes a group of regions that release each other.
 */
/** What the decomposition looks at: names and what each depends on. A plan is one. */
export interface Graph {
  readonly steps: readonly { readonly name: string; readonly dependsOn: readonly string[] }[];
}

/** A node of the tree; steps are named. */
export type Tree =
  | { readonly kind: "step"; readonly step: string }
  | { readonly kind: "series" | "parallel"; readonly parts: readonly Tree[] }
  | { readonly kind: "group"; readonly steps: readonly string[] };

/** Steps in the written order, changed only where a dependency is written after its dependent. Steps on a cycle are left out. */
export function sortSteps(plan: Graph): readonly string[] {
  const missing = plan.steps.map((step) => new Set(step.dependsOn).size);
  const dependents = new Map<string, number[]>();
  for (const [position, step] of plan.steps.entries()) {
    for (const name of new Set(step.dependsOn)) {
      const known = dependents.get(name);
      if (known === undefined) dependents.set(name, [position]);
      else known.push(position);
    }
  }
  // Positions that are free, in written order: the first of them is next.
  const free = [...missing.keys()].filter((position) => missing[position] === 0);
  const sorted: string[] = [];
  for (let next = free.shift(); next !== undefined; next = free.shift()) {
    const { name } = plan.steps[next] as { name: string };
    sorted.push(name);
    const freed = (dependents.get(name) ?? []).filter((position) => {
      missing[position] = (missing[position] ?? 0) - 1;
      return missing[position] === 0;
    });
    if (freed.length === 0) continue;
    free.push(...freed);
    free.sort((a, b) => a - b);
  }
  return sorted;
}

/** Sets of steps as bits. */
class Bits {
  readonly #words: Uint32Array;

  constructor(size: number) {
    this.#words = new Uint32Array((size + 31) >>> 5);
  }

  add(index: number): void {
    const word = index >>> 5;
    this.#words[word] = (this.#words[word] ?? 0) | (1 << (index & 31));
  }

  addAll(other: Bits): void {
    for (const [word, bits] of other.#words.entries()) this.#words[word] = (this.#words[word] ?? 0) | bits;
  }

  keep(other: Bits): void {
    for (const [word, bits] of other.#words.entries()) this.#words[word] = (this.#words[word] ?? 0) & bits;
  }

  get size(): number {
    let size = 0;
    for (let word of this.#words) {
      for (; word !== 0; size += 1) word &= word - 1;
    }
    return size;
  }
}

/** Decomposes a plan without cycles. */
export function decompose(plan: Graph): Tree {
  const names = sortSteps(plan);
  const positions = new Map(names.map((name, position) => [name, position]));
  const direct = names.map(() => [] as number[]);
  const ancestors = names.map(() => new Bits(names.length));
  for (const step of plan.steps) {
    const position = positions.get(step.name);
    if (position === undefined) continue;
    direct[position] = [...new Set(step.dependsOn)]
      .map((name) => positions.get(name) ?? -1)
      .filter((other) => other >= 0);
  }
  for (const [position, own] of ancestors.entries()) {
    for (const other of direct[position] ?? []) {
      own.addAll(ancestors[other] ?? new Bits(names.length));
      own.add(other);
    }
  }
  const split = (members: readonly number[]): Tree => {
    const [only] = members;
    if (members.length === 1 && only !== undefined) return { kind: "step", step: names[only] ?? "" };
    const parts = components(members, direct);
    if (parts.length > 1) return { kind: "parallel", parts: parts.map(split) };
    const pieces = seriesPieces(members, ancestors, names.length);
    if (pieces.length > 1) return { kind: "series", parts: pieces.map(split) };
    return { kind: "group", steps: members.map((member) => names[member] ?? "") };
  };
  return split(names.map((_, position) => position));
}

function components(members: readonly number[], direct: readonly (readonly number[])[]): number[][] {
  const parents = new Map(members.map((member) => [member, member]));
  const rootOf = (member: number): number => {
    let root = member;
    while (parents.get(root) !== root) root = parents.get(root) ?? root;
    parents.set(member, root);
    return root;
  };
  for (const member of members) {
    for (const other of direct[member] ?? []) if (parents.has(other)) parents.set(rootOf(member), rootOf(other));
  }
  const parts = new Map<number, number[]>();
  for (const member of members) {
    const root = rootOf(member);
    const part = parts.get(root);
    if (part === undefined) parts.set(root, [member]);
    else part.push(member);
  }
  return [...parts.values()];
}

/** Members are in an order in which dependencies come first, so what all later ones need is a beginning of it. */
function seriesPieces(members: readonly number[], ancestors: readonly Bits[], size: number): number[][] {
  const shared = new Bits(size);
  for (const member of members) shared.add(member);
  const cuts = new Set<number>();
  for (let position = members.length - 1; position >= 1; position -= 1) {
    shared.keep(ancestors[members[position] ?? 0] ?? shared);
    if (shared.size === position) cuts.add(position);
  }
  const pieces: number[][] = [[]];
  for (const [position, member] of members.entries()) {
    if (cuts.has(position)) pieces.push([]);
    pieces.at(-1)?.push(member);
  }
  return pieces;
}
