/** Runs command lines in this process and catches what they print. */
import { vi } from "vitest";
import { runCli } from "../../src/cli/cli.ts";

/** What one command line did. */
export interface Told {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output as JSON. */
  json(): unknown;
}

/** Runs one command line. */
export async function tell(...words: string[]): Promise<Told> {
  const out: string[] = [];
  const err: string[] = [];
  const catchInto = (lines: string[]) => (text: unknown) => {
    lines.push(String(text));
    return true;
  };
  const spies = [
    vi.spyOn(process.stdout, "write").mockImplementation(catchInto(out)),
    vi.spyOn(process.stderr, "write").mockImplementation(catchInto(err)),
  ];
  try {
    const code = await runCli(words);
    const stdout = out.join("");
    return { code, stdout, stderr: err.join(""), json: () => JSON.parse(stdout) as unknown };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}
