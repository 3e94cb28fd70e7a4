/** Counts and seeds that the environment sets for a test. */

/** Whether what takes long by nature is tried whole. `.ci/run` says so; `npm test` by itself ends within three minutes. */
export const WHOLE = process.env["SLOW"] === "1";

/**
 * A whole number of the environment.
 * @throws {Error} when it is set and is none: a test that counts to NaN would try nothing.
 */
export function setting(name: string, otherwise: number): number {
  const text = process.env[name];
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || text.trim() === "")
    throw new Error(`${name} is a whole number, not ${JSON.stringify(text)}`);
  return value;
}
