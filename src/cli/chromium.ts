/** Renders SVG as PNG in a browser of this machine. Nothing is downloaded. */
import { execFile } from "node:child_process";
import { access, constants, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { pathToFileURL } from "node:url";
import { WorkflowError } from "../errors.ts";

const NAMES = [
  "chromium",
  "chromium-browser",
  "google-chrome",
  "google-chrome-stable",
  "chrome",
  "chrome.exe",
  "msedge.exe",
];
const MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome";
/** Twice the size of the drawing, within the limits of browsers. */
const SCALE = 2;
const LARGEST = 16_000;
/** Only ends a browser that hangs. */
const TIMEOUT_MS = 120_000;

const isProgram = (path: string): Promise<boolean> =>
  access(path, constants.X_OK).then(
    () => true,
    () => false,
  );

/** The Chromium that `CHROMIUM_PATH` names, else the first in `PATH`; undefined: there is none. @throws {WorkflowError} `invalid` when `CHROMIUM_PATH` names none */
export async function findChromium(env: NodeJS.ProcessEnv = process.env): Promise<string | undefined> {
  const named = env["CHROMIUM_PATH"];
  if (named !== undefined && named !== "") {
    if (await isProgram(named)) return named;
    throw new WorkflowError("invalid", `CHROMIUM_PATH is ${JSON.stringify(named)}, which is no program`);
  }
  const folders = (env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  for (const path of [...NAMES.flatMap((name) => folders.map((folder) => join(folder, name))), MAC])
    if (await isProgram(path)) return path;
  return undefined;
}

/** Paints an SVG document in its light colours. @throws {WorkflowError} `invalid` without a Chromium, `unavailable` when it does not paint */
export async function paintPng(svg: string): Promise<Uint8Array> {
  const chromium = await findChromium();
  if (chromium === undefined) {
    throw new WorkflowError(
      "invalid",
      "PNG is painted by Chromium, and none was found: install chromium or Google Chrome, or name one in CHROMIUM_PATH; --format svg needs none",
    );
  }
  const [, width = 0, height = 0] = (/ width="(\d+)" height="(\d+)"/.exec(svg) ?? []).map(Number);
  const folder = await mkdtemp(join(tmpdir(), "buquet-png-"));
  try {
    const page = join(folder, "chart.html");
    const png = join(folder, "chart.png");
    await writeFile(page, `<!doctype html><meta charset="utf-8"><style>body{margin:0}svg{display:block}</style>${svg}`);
    await run(chromium, [
      ...QUIET,
      // Chromium refuses to start as root with its sandbox.
      ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
      `--user-data-dir=${join(folder, "profile")}`,
      `--force-device-scale-factor=${Math.min(SCALE, LARGEST / Math.max(width, height))}`,
      `--window-size=${width},${height}`,
      `--screenshot=${png}`,
      pathToFileURL(page).href,
    ]);
    return await readFile(png).catch((error: unknown) => {
      throw new WorkflowError("unavailable", `${chromium} painted nothing`, { cause: error });
    });
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

const QUIET = [
  "--headless",
  "--disable-gpu",
  "--hide-scrollbars",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-extensions",
  "--force-color-profile=srgb",
  "--blink-settings=preferredColorScheme=1",
];

function run(program: string, words: readonly string[]): Promise<void> {
  return new Promise((done, fail) => {
    execFile(program, words, { timeout: TIMEOUT_MS, killSignal: "SIGKILL" }, (error, _stdout, stderr) => {
      if (error === null) return done();
      const last = stderr.trim().split("\n").at(-1) ?? "";
      fail(
        new WorkflowError("unavailable", `${program} did not paint: ${last === "" ? error.message : last}`, {
          cause: error,
        }),
      );
    });
  });
}
