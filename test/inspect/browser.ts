/// <reference lib="dom" />
/** The inspect page in a browser, and what a test sees of it. */
import { readFileSync } from "node:fs";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { createActor } from "xstate";
import { buildMachine } from "../../machines/plan/advance.ts";
import { serveSite, type PageServer } from "../../src/cli/serve.ts";
import type { Frame, Timeline } from "../../src/draw/timeline.ts";
import type { Host } from "../../src/host/host.ts";
import { nodeClock, nodeHost } from "../../src/host/node.ts";
import { type PageAssets, pageSite } from "../../src/inspect/site.ts";
import type { Site } from "../../src/inspect/server.ts";

const read = (name: string): string => readFileSync(`src/inspect/page/${name}`, "utf8");
export const assets: PageAssets = { style: read("page.css"), script: read("page.js") };

/** Reads on at once, so that no test waits for a second to pass. */
export const eager: Host = {
  ...nodeHost(),
  clock: { ...nodeClock, sleep: (ms: number, options = {}) => nodeClock.sleep(Math.min(ms, 20), options) },
};

/** The site of a timeline; of one that grows when it is read by a function. */
export function siteOf(subject: Timeline | (() => Promise<Timeline>)): Site {
  const grows = typeof subject === "function";
  return pageSite({ read: grows ? subject : async () => subject, grows, host: eager }, assets);
}

/** A page that is open. */
export interface Open extends AsyncDisposable {
  readonly page: Page;
  readonly served: PageServer;
  /** What must never happen: errors, dialogs, requests to others. */
  readonly trouble: readonly string[];
}

/** Serves a site and opens it. */
export async function open(browser: Browser, site: Site, options: BrowserContextOptions = {}): Promise<Open> {
  const served = await serveSite(site);
  const shown = await openUrl(browser, served.url, options);
  return {
    ...shown,
    served,
    [Symbol.asyncDispose]: async () => {
      await shown.page.context().close();
      await served[Symbol.asyncDispose]();
    },
  };
}

/** Opens an address and listens for trouble. */
export async function openUrl(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<Pick<Open, "page" | "trouble">> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  // Only to find what hangs.
  context.setDefaultTimeout(240_000);
  const page = await context.newPage();
  const trouble: string[] = [];
  page.on("console", (message) => void (message.type() === "log" || trouble.push(`console: ${message.text()}`)));
  page.on("pageerror", (error) => void trouble.push(`error: ${error.message}`));
  page.on("dialog", (dialog) => {
    trouble.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("popup", (popup) => void trouble.push(`popup: ${popup.url()}`));
  page.on("request", (request) => {
    const asked = request.url();
    if (!asked.startsWith(url.replace(/#.*/, "")) && !asked.startsWith("data:")) trouble.push(`request: ${asked}`);
  });
  await page.goto(url);
  await page.waitForFunction(() => document.body.dataset["frame"] !== undefined);
  return { page, trouble };
}

/** What the chart shows. */
export interface Lit {
  /** Ids of the lit states, sorted. */
  readonly ids: readonly string[];
  /** All tags of the lit states, sorted. */
  readonly tags: readonly string[];
}

/** What is lit now. */
export function litOn(page: Page): Promise<Lit> {
  return page.evaluate(() => {
    const live = [...document.querySelectorAll("#chart .state.live")];
    const tags = live.flatMap((state) => (state.getAttribute("data-tags") ?? "").split(" ").filter(Boolean));
    return {
      ids: live.map((state) => state.getAttribute("data-state") ?? "").toSorted(),
      tags: [...new Set(tags)].toSorted(),
    };
  });
}

/** What stock XState says of the stored snapshot: not a line of ours is between. */
export function activeIn(timeline: Timeline, frame: Frame | undefined): Lit {
  const { machine } = buildMachine(timeline.plan);
  const snapshot = createActor(machine, { snapshot: frame?.snapshot as never }).getSnapshot() as unknown as {
    readonly _nodes: readonly { readonly id: string }[];
    readonly tags: ReadonlySet<string>;
  };
  const ids = snapshot._nodes.map(({ id }) => id).filter((id) => id !== machine.root.id);
  return { ids: ids.toSorted(), tags: [...snapshot.tags].toSorted() };
}

/** The number of the frame that is shown, from 1. */
export const shownOn = (page: Page): Promise<number> => page.evaluate(() => Number(document.body.dataset["frame"]));

/** Resolves when this frame is shown. */
export async function untilShown(page: Page, number: number): Promise<void> {
  await page.waitForFunction((wanted) => document.body.dataset["frame"] === String(wanted), number);
}

/** Unfolds everything that is folded, also inside of what was folded. A fold draws what is in it a moment after it opens. */
export async function unfold(page: Page): Promise<void> {
  await page.waitForFunction(() => {
    const folds = [...document.querySelectorAll<HTMLDetailsElement>("details.folded")];
    for (const fold of folds) fold.open = true;
    return folds.every((fold) => fold.childElementCount > 1);
  });
}
