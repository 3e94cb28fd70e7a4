/** Schemas of users. They are read through Standard Schema (standardschema.dev) and nothing else. */
import { z } from "zod";
import { refusalOf } from "../wire/refusal.ts";

/**
 * A schema that implements Standard Schema: zod from 3.24 (`zod`, `zod/v4`, `zod/mini`), valibot, arktype and others. `Input` is what it
 * accepts, `Output` what it returns.
 */
export interface Schema<Input = unknown, Output = Input> {
  /** The interface of Standard Schema (standardschema.dev). */
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    /** Only for the compiler. */
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** The outcome of a validation. */
export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

/** A reason why a schema refuses a value. */
export interface SchemaIssue {
  /** What is wrong, for people. */
  readonly message: string;
  /** The keys that lead to the wrong member. */
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** Whether a value is a schema. Those of some libraries are functions. */
export function isSchema(value: unknown): value is Schema {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return false;
  const standard: unknown = (value as { readonly "~standard"?: unknown })["~standard"];
  if (typeof standard !== "object" || standard === null) return false;
  const { version, validate } = standard as { readonly version?: unknown; readonly validate?: unknown };
  return version === 1 && typeof validate === "function";
}

/** Returns the output of a schema, or the reason of its refusal. Errors that a schema throws are thrown. */
export async function readValue(
  schema: Schema,
  value: unknown,
): Promise<{ readonly value: unknown } | { readonly refusal: string }> {
  const result = await schema["~standard"].validate(value);
  return result.issues === undefined ? { value: result.value } : { refusal: refusalOf(result) };
}

/** The part of Standard JSON Schema that is used here. */
interface DescribesItself {
  readonly jsonSchema?: {
    readonly input?: (options: { readonly target: string; readonly libraryOptions?: object }) => unknown;
  };
}

/**
 * What a schema takes, as JSON Schema: of schemas that say so themselves (Standard JSON Schema: zod from 4.2, arktype) and of all others of
 * zod 4. Null: anything, or a schema of which JSON Schema says nothing.
 */
export function toJsonSchema(schema: Schema): unknown {
  const { jsonSchema } = schema["~standard"] as DescribesItself;
  try {
    if (typeof jsonSchema?.input === "function")
      return jsonSchema.input({ target: "draft-2020-12", libraryOptions: { unrepresentable: "any" } });
    if ("_zod" in schema)
      return z.toJSONSchema(schema as unknown as z.ZodType, { unrepresentable: "any", io: "input" });
  } catch {
    // It is published as "anything".
  }
  return null;
}
