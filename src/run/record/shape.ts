/** Schemas that the compiler holds to the type that they read: one member too many, too few or of another type does not compile. */
import { z } from "zod";

/** A schema for each member of T and for nothing else. One that may be absent is read as `undefined`, which no JSON holds. */
export type ShapeOf<T> = {
  readonly [K in keyof T]-?: object extends Pick<T, K> ? z.ZodType<T[K] | undefined> : z.ZodType<T[K]>;
};

/** Reads the members of T and drops all others. */
export function objectOf<T>(shape: ShapeOf<T>): z.ZodType<T> {
  return z.object(shape as unknown as z.ZodRawShape) as unknown as z.ZodType<T>;
}

/** Reads the members of T and keeps all others, which another or a later program wrote. */
export function openObjectOf<T>(shape: ShapeOf<T>): z.ZodType<T> {
  return z.looseObject(shape as unknown as z.ZodRawShape) as unknown as z.ZodType<T>;
}
