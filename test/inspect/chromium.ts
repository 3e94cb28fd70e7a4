/** The browser that the page is tested in: what the system has. */
import { type Browser, chromium } from "playwright-core";
import { findChromium as findOnSystem } from "../../src/cli/chromium.ts";

/** No sandbox: CI runs as root in a container. The others keep it from asking the network for anything by itself. */
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/**
 * The path of a Chromium or Chrome. Where there is none, undefined and a printed reason; with `CI_REQUIRE_CHROMIUM=1` an error, so that
 * CI cannot pass for the want of a browser.
 */
export async function findChromium(): Promise<string | undefined> {
  const found = await findOnSystem();
  if (found !== undefined) return found;
  const why = "there is no Chromium here: .ci/setup-chromium.sh installs one, CHROMIUM_PATH names another place";
  if (process.env["CI_REQUIRE_CHROMIUM"] === "1") throw new Error(why);
  process.stderr.write(`skipped: ${why}\n`);
  return undefined;
}

/** Starts it. */
export function startChromium(executablePath: string): Promise<Browser> {
  return chromium.launch({ executablePath, headless: true, args: FLAGS });
}
