/**
 * The boundary between values of users and what is stored of them. A value is taken once, as text, and each reader gets a copy: no object
 * that users can reach is ever part of a record, a task or a signal.
 *
 * The rule is that of the types and the docs: members that are `undefined` are dropped, as by `JSON.stringify`; a value that is `undefined`
 * as a whole becomes null; everything else that JSON cannot express is refused, with its path.
 */
import { summaryOf } from "../host/error-data.ts";
import { JsonText, MAX_DEPTH, stringifyJson } from "./json.ts";

/** A stored value of a user: JSON text that never changes. */
export class StoredValue extends JsonText {
  declare readonly text: string;

  private constructor(text: () => string) {
    super();
    lazyMembers(this, [["text", text]]);
  }

  /**
   * What was parsed from an object of the bucket, and is nobody else's. Numbers stay as they stand there. The text is made when it is
   * asked for: who follows a run reads many records and few results.
   */
  static parsed(value: unknown): StoredValue {
    return new StoredValue(() => stringifyJson(value));
  }

  /** Takes a value. It is read once, so that it cannot change between the check and the text. `limit`: the most UTF-16 units of text. */
  static take(value: unknown, limit: number): Taken {
    const reader = new Reader(limit);
    try {
      const text = value === undefined ? "null" : JSON.stringify(reader.copy(value));
      return text.length > limit ? { kind: "too_long" } : { kind: "taken", value: new StoredValue(() => text) };
    } catch (error) {
      return reader.refusal ?? { kind: "not_json", problem: `it cannot be read: ${summaryOf(error)}` };
    }
  }

  /** Returns a copy with ordinary numbers. */
  read(): unknown {
    return JSON.parse(this.text);
  }

  /** For `JSON.stringify`, which knows no kept numbers. */
  toJSON(): unknown {
    return this.read();
  }
}

/** Whether a value was taken. `problem` begins with the path of what is not JSON. */
export type Taken =
  | { readonly kind: "taken"; readonly value: StoredValue }
  | { readonly kind: "not_json"; readonly problem: string }
  | { readonly kind: "too_long" };

/** The value null. */
export const STORED_NULL: StoredValue = StoredValue.parsed(null);

/** Reads a value once into plain objects and arrays that nothing else refers to. */
class Reader {
  readonly #limit: number;
  /** The names and indexes that lead to where it reads. */
  readonly #trail: (string | number)[] = [];
  readonly #above = new Set<object>();
  /** Characters that the text will have at least: what stands in many places could be longer than any memory. */
  #length = 0;
  refusal: Exclude<Taken, { kind: "taken" }> | undefined;

  constructor(limit: number) {
    this.#limit = limit;
  }

  copy(value: unknown): unknown {
    switch (typeof value) {
      case "string":
        if (hasHalfCharacter(value)) return this.#refuse("holds a lone surrogate");
        this.#spend(value.length + 2);
        return value;
      case "number":
        this.#spend(1);
        return Number.isFinite(value) ? value : this.#refuse(`is ${value}`);
      case "boolean":
        this.#spend(4);
        return value;
      case "object":
        if (value !== null) return this.#copyObject(value);
        this.#spend(4);
        return value;
      case "undefined":
        return this.#refuse("is undefined");
      case "bigint":
      case "function":
      case "symbol":
        return this.#refuse(`is a ${typeof value}`);
    }
  }

  #copyObject(value: object): unknown {
    if (this.#above.has(value)) return this.#refuse("is a cycle");
    if (this.#trail.length > MAX_DEPTH) return this.#refuse(`is nested deeper than ${MAX_DEPTH}`);
    const isList = Array.isArray(value);
    if (!isList && !isPlain(value)) return this.#refuse(`is ${kindOf(value)}`);
    const method = Object.getOwnPropertyDescriptor(value, "toJSON");
    if (method !== undefined && (method.enumerable !== true || typeof method.value === "function"))
      return this.#refuse("has a method toJSON; give what it returns");
    this.#above.add(value);
    this.#spend(2);
    const copy = isList ? this.#copyList(value) : this.#copyMembers(value as Readonly<Record<string, unknown>>);
    this.#above.delete(value);
    return copy;
  }

  #copyList(list: readonly unknown[]): unknown[] {
    const { length } = list;
    const copy: unknown[] = [];
    for (let index = 0; index < length; index += 1) {
      this.#trail.push(index);
      copy.push(this.copy(list[index]));
      this.#trail.pop();
    }
    return copy;
  }

  #copyMembers(members: Readonly<Record<string, unknown>>): object {
    const copy = {};
    for (const name of Object.keys(members)) {
      const member = members[name];
      if (member === undefined) continue;
      if (hasHalfCharacter(name)) return this.#refuse("has a member whose name holds a lone surrogate");
      this.#spend(name.length + 3);
      this.#trail.push(name);
      setMember(copy, name, this.copy(member));
      this.#trail.pop();
    }
    return copy;
  }

  #spend(characters: number): void {
    this.#length += characters;
    if (this.#length > this.#limit) this.#end({ kind: "too_long" });
  }

  #refuse(what: string): never {
    const path = this.#trail.map((part) => (typeof part === "number" ? `[${part}]` : `.${part}`)).join("");
    return this.#end({ kind: "not_json", problem: `$${path} ${what}` });
  }

  #end(refusal: Exclude<Taken, { kind: "taken" }>): never {
    this.refusal = refusal;
    throw new Error("the value is refused");
  }
}

/**
 * The plain objects and arrays of a value copied, with everything else in them as it is: what a schema is given, so that whoever called
 * may change the value while the schema is at work. Members that are undefined are kept for the schema to see.
 * @throws whatever reading the value throws
 */
export function snapshotOf(value: unknown): unknown {
  const copies = new Map<object, unknown>();
  const copyOf = (part: unknown, depth: number): unknown => {
    if (typeof part !== "object" || part === null || depth > MAX_DEPTH) return part;
    const isList = Array.isArray(part);
    if (!isList && !isPlain(part)) return part;
    const known = copies.get(part);
    if (known !== undefined) return known;
    const copy: object = isList ? [] : {};
    copies.set(part, copy);
    for (const name of Object.keys(part))
      setMember(copy, name, copyOf((part as Readonly<Record<string, unknown>>)[name], depth + 1));
    if (isList) (copy as unknown[]).length = part.length;
    return copy;
  };
  return copyOf(value, 0);
}

/**
 * Whether a value is nested deeper than JSON may be here, or holds itself. Does not recurse: asked before a schema of a user, which may.
 */
export function isTooDeep(value: unknown): boolean {
  let level = new Set<object>(isObject(value) ? [value] : []);
  for (let depth = 0; depth <= MAX_DEPTH && level.size > 0; depth += 1)
    level = new Set([...level].flatMap((object) => Object.values(object).filter(isObject)));
  return level.size > 0;
}

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;

/**
 * An object whose members are made when they are first read, each once. It is spread, compared and printed like one that has them.
 */
export function lazyMembers<T extends object>(target: T, members: Iterable<readonly [string, () => unknown]>): T {
  for (const [name, make] of members) {
    // Once it is made, nothing holds what it was made of.
    let member: { readonly make: () => unknown } | { readonly value: unknown } = { make };
    Object.defineProperty(target, name, {
      enumerable: true,
      configurable: true,
      get: () => {
        if ("make" in member) member = { value: member.make() };
        return member.value;
      },
      set: (value: unknown) => {
        member = { value };
      },
    });
  }
  // Node would print "[Getter]".
  Object.defineProperty(target, Symbol.for("nodejs.util.inspect.custom"), { value: () => ({ ...target }) });
  return target;
}

/** An object whose prototype is that of `{}`, of whatever realm, or none. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** What an object is that is not plain. */
function kindOf({ constructor }: object): string {
  const name = constructor?.name || "class instance";
  if (name === "Object") return "an object that inherits from another";
  return `${/^[AEIO]/.test(name) ? "an" : "a"} ${name}`;
}

/** An assignment would take `__proto__` for something else. */
function setMember(object: object, name: string, value: unknown): void {
  if (name === "__proto__")
    Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
  else (object as Record<string, unknown>)[name] = value;
}

const hasHalfCharacter = (text: string): boolean => /\p{Surrogate}/u.test(text);
