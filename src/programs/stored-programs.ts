/** The programs that are registered in this process, and those that are stored in the bucket beside their runs. */
import { z } from "zod";
import { PlanProgram } from "../../machines/plan/program.ts";
import { validatePlan } from "../../machines/plan/validate.ts";
import type { Plan } from "../../machines/plan/plan.ts";
import { WorkflowError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { planKey, typeKey } from "../keys.ts";
import { Codec, createDocumentBytes, readDocument } from "../store/document.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { stringifyJson } from "../wire/json.ts";
import type { Program, Programs } from "./programs.ts";

/** A definition without its functions, as far as runs need it: what a client, a worker or a command was given. */
export interface RegisteredDefinition {
  readonly name: string;
  readonly plan: Plan;
  readonly planHash: string;
  readonly definitionHash: string;
  /** JSON Schema of the input, for people and other languages; null: anything. */
  readonly inputSchema: unknown;
}

/** How many compiled plans are cached for runs whose plan is not registered here. Registered plans are always kept. */
const PROGRAMS_KEPT = 64;

const storedPlanSchema = z.object({
  plan_hash: z.string(),
  definition_hash: z.string(),
  plan: z.looseObject({ name: z.string(), steps: z.array(z.looseObject({ name: z.string() })) }),
});

interface StoredPlan {
  readonly plan_hash: string;
  readonly definition_hash: string;
  readonly plan: Plan;
}

const planCodec = new Codec<StoredPlan>({
  what: "a plan",
  read(json) {
    const stored = storedPlanSchema.parse(json) as unknown as StoredPlan;
    const [problem] = validatePlan(stored.plan);
    if (problem !== undefined) throw new Error(problem.message);
    return stored;
  },
  keyOf: ({ plan_hash }) => planKey(plan_hash),
  write: (stored) => stringifyJson(stored),
});

const typeSchema = z.looseObject({ name: z.string(), plan_hash: z.string(), definition_hash: z.string() });

const typeCodec = new Codec<z.infer<typeof typeSchema>>({
  what: "the announcement of a workflow",
  read: (json) => typeSchema.parse(json),
  keyOf: ({ name }) => typeKey(name),
  write: (type) => stringifyJson(type),
});

/** Finds programs by name or hash, and publishes those that are registered. */
export class StoredPrograms implements Programs {
  readonly #store: ObjectStore;
  readonly #host: Host;
  readonly #registered = new Map<string, RegisteredDefinition>();
  /** By plan hash. These are compiled once and never evicted. */
  readonly #registeredByHash = new Map<string, RegisteredDefinition>();
  readonly #registeredPrograms = new Map<string, Program>();
  /** By plan hash, the most recently used one last. */
  readonly #stored = new Map<string, Program>();

  constructor(store: ObjectStore, host: Host, registered: readonly RegisteredDefinition[]) {
    this.#store = store;
    this.#host = host;
    for (const plan of registered) {
      if (this.#registered.has(plan.name))
        throw new WorkflowError("invalid", `two workflows are named ${JSON.stringify(plan.name)}`);
      this.#registered.set(plan.name, plan);
      this.#registeredByHash.set(plan.planHash, plan);
    }
  }

  current(workflow: string): Program | undefined {
    const registered = this.#registered.get(workflow);
    return registered === undefined ? undefined : this.#compiled(registered);
  }

  async byHash(planHash: string): Promise<Program | undefined> {
    const registered = this.#registeredByHash.get(planHash);
    if (registered !== undefined) return this.#compiled(registered);
    const known = this.#stored.get(planHash);
    if (known !== undefined) return this.#keep(known);
    const stored = await this.#read(planKey(planHash), planCodec);
    if (stored === undefined) return undefined;
    return this.#keep(new PlanProgram(stored.plan, { planHash, definitionHash: stored.definition_hash }));
  }

  /** The program that workers of this bucket serve under a name; undefined when no worker ever served one. */
  async byName(workflow: string): Promise<Program | undefined> {
    const here = this.current(workflow);
    if (here !== undefined) return here;
    const type = await this.#read(typeKey(workflow), typeCodec);
    return type === undefined ? undefined : this.byHash(type.plan_hash);
  }

  /**
   * Puts plans and types into the bucket, for clients that start by name and for workers that meet older runs. What stands there is read
   * and left: that is cheaper, makes no version, and a fleet that starts at once does not queue for keys that take one write a second.
   */
  async publish(names: Iterable<string> = this.#registered.keys()): Promise<void> {
    for (const name of names) {
      const registered = this.#registered.get(name);
      if (registered === undefined) continue;
      await this.publishPlan(name);
      const type = {
        name,
        plan_hash: registered.planHash,
        definition_hash: registered.definitionHash,
        input_schema: registered.inputSchema,
      };
      const body = typeCodec.encode(type);
      const read = await this.#store.get(typeKey(name));
      if (read.kind === "missing" || read.object.body !== body) await this.#store.put(typeKey(name), body, "always");
    }
  }

  /** Stores the plan of a workflow that is registered here, if it is missing. */
  async publishPlan(name: string): Promise<void> {
    const registered = this.#registered.get(name);
    if (registered === undefined) return;
    if ((await this.#store.get(planKey(registered.planHash))).kind === "found") return;
    const stored = {
      plan_hash: registered.planHash,
      definition_hash: registered.definitionHash,
      plan: registered.plan,
    };
    await createDocumentBytes(this.#store, this.#host, planKey(registered.planHash), planCodec.encode(stored));
  }

  #compiled({ name, plan, planHash, definitionHash }: RegisteredDefinition): Program {
    const known = this.#registeredPrograms.get(name);
    if (known !== undefined) return known;
    const program = new PlanProgram(plan, { planHash, definitionHash });
    this.#registeredPrograms.set(name, program);
    return program;
  }

  /** Keeps the most recently used programs. */
  #keep(program: Program): Program {
    this.#stored.delete(program.planHash);
    this.#stored.set(program.planHash, program);
    const [oldest] = this.#stored.keys();
    if (this.#stored.size > PROGRAMS_KEPT && oldest !== undefined) this.#stored.delete(oldest);
    return program;
  }

  async #read<T>(key: string, codec: Codec<T>): Promise<T | undefined> {
    const read = await readDocument(this.#store, key, codec);
    return read.kind === "missing" ? undefined : read.value;
  }
}
