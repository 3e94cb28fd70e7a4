/** The browser of this machine, for tests that need one. */
import { findChromium } from "../../src/cli/chromium.ts";

/** Its path; undefined, with a printed reason, where there is none. With `CI_REQUIRE_CHROMIUM=1` its absence is an error. */
export async function requireChromium(): Promise<string | undefined> {
  const path = await findChromium();
  if (path !== undefined) return path;
  if (process.env["CI_REQUIRE_CHROMIUM"] === "1") throw new Error("CI_REQUIRE_CHROMIUM=1, and there is no Chromium");
  console.log("skipped: no Chromium in PATH or CHROMIUM_PATH");
  return undefined;
}
