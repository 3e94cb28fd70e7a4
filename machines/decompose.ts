/**
 * A DAG as a series/parallel tree.
 *
 * Weakly connected parts run side by side. A part is cut in series before position k (steps sorted by their number of ancestors) when
 * the steps that are ancestors of every later one are exactly the first k: the cut adds no dependency that was not there. What is left
 * is irreducible and becomes a group of regions that release each other.
 */
import type { Plan } from "./plan.ts";

/** A node of the tree; steps are named. */
export type Tree =
  | { readonly kind: "step"; readonly step: string }
  | { readonly kind: "series" | "parallel"; readonly parts: readonly Tree[] }
  | { readonly kind: "group"; readonly steps: readonly string[] };

/** Steps in an order in which every dependency comes first (the written order where it is free). Steps on a cycle are left out. */
export function sortSteps(plan: Plan): readonly string[] {
  const missing = new Map(plan.steps.map((step) => [step.name, new Set(step.dependsOn).size]));
  const dependents = new Map<string, string[]>();
  for (const step of plan.steps) {
    for (const name of new Set(step.dependsOn)) dependents.set(name, [...(dependents.get(name) ?? []), step.name]);
  }
  const ready = plan.steps.filter((step) => missing.get(step.name) === 0).map((step) => step.name);
  for (let index = 0; index < ready.length; index += 1) {
    for (const name of dependents.get(ready[index] ?? "") ?? []) {
      const left = (missing.get(name) ?? 0) - 1;
      missing.set(name, left);
      if (left === 0) ready.push(name);
    }
  }
  return ready;
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

  copy(): Bits {
    const copied = new Bits(this.#words.length * 32);
    copied.addAll(this);
    return copied;
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
export function decompose(plan: Plan): Tree {
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
  const split = (members: readonly number[], connected: boolean): Tree => {
    const [only] = members;
    if (members.length === 1 && only !== undefined) return { kind: "step", step: names[only] ?? "" };
    if (!connected) {
      const parts = components(members, direct);
      if (parts.length > 1) return { kind: "parallel", parts: parts.map((part) => split(part, true)) };
    }
    const pieces = seriesPieces(members, ancestors, names.length);
    if (pieces.length > 1) return { kind: "series", parts: pieces.map((piece) => split(piece, false)) };
    return { kind: "group", steps: members.map((member) => names[member] ?? "") };
  };
  return split(
    names.map((_, position) => position),
    false,
  );
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

function seriesPieces(members: readonly number[], ancestors: readonly Bits[], size: number): number[][] {
  const mask = new Bits(size);
  for (const member of members) mask.add(member);
  const rank = new Map<number, number>();
  for (const member of members) {
    const inside = (ancestors[member] ?? new Bits(size)).copy();
    inside.keep(mask);
    rank.set(member, inside.size);
  }
  const sorted = members.toSorted((a, b) => (rank.get(a) ?? 0) - (rank.get(b) ?? 0) || a - b);
  const cuts = new Set<number>();
  const shared = mask.copy();
  for (let position = sorted.length - 1; position >= 1; position -= 1) {
    shared.keep(ancestors[sorted[position] ?? 0] ?? new Bits(size));
    if (shared.size === position) cuts.add(position);
  }
  const pieces: number[][] = [[]];
  for (const [position, member] of sorted.entries()) {
    if (cuts.has(position)) pieces.push([]);
    pieces.at(-1)?.push(member);
  }
  return pieces;
}
