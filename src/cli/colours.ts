/** Decides whether the command line uses colours. */
import pc from "picocolors";

/**
 * On a terminal, and where FORCE_COLOR asks for it; never where NO_COLOR is set (no-color.org). A pipe gets none, also in CI: whoever
 * reads it would have to take them out again.
 */
export function wantsColours(env: Readonly<Record<string, string | undefined>>, isTerminal: boolean): boolean {
  const { NO_COLOR: no, FORCE_COLOR: force, TERM: terminal } = env;
  if (no !== undefined && no !== "") return false;
  if (force !== undefined) return force !== "0" && force !== "false";
  return isTerminal && terminal !== "dumb";
}

/** Colours for standard output. */
export const out: ReturnType<typeof pc.createColors> = pc.createColors(wantsColours(process.env, process.stdout.isTTY));

/** Colours for standard error. */
export const err: ReturnType<typeof pc.createColors> = pc.createColors(wantsColours(process.env, process.stderr.isTTY));
