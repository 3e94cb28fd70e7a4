/** The browser that the page is tested in: what the system has. */
import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import { type Browser, chromium } from "playwright-core";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const PLACES = ["/Applications/Google Chrome.app/Contents/MacOS/Google Chrome", "/snap/bin/chromium"];

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
 * The path of a Chromium or Chrome: `CHROMIUM`, else the first on the path. Where there is none, undefined and a printed reason; with
 * `CI_REQUIRE_CHROMIUM=1` an error.
 */
export function findChromium(): string | undefined {
  const { CHROMIUM, PATH = "", CI_REQUIRE_CHROMIUM } = process.env;
  const named = CHROMIUM === undefined ? [] : [CHROMIUM];
  const onPath = NAMES.flatMap((name) => PATH.split(":").map((folder) => join(folder, name)));
  const found = [...named, ...onPath, ...PLACES].find(canRun);
  if (found !== undefined) return found;
  const why = "there is no Chromium here: .ci/setup-chromium.sh installs one, CHROMIUM names another place";
  if (CI_REQUIRE_CHROMIUM === "1") throw new Error(why);
  process.stderr.write(`skipped: ${why}\n`);
  return undefined;
}

function canRun(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Starts it. */
export function startChromium(executablePath: string): Promise<Browser> {
  return chromium.launch({ executablePath, headless: true, args: FLAGS });
}
