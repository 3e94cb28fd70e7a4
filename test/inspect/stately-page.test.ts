/** The page that hands a run to the Stately inspector, in a real browser, with a stand-in for the viewer at another origin. */
import { createServer, type Server } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import type { BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { workflow } from "../../src/index.ts";
import type { Timeline } from "../../src/draw/timeline.ts";
import { serveSite } from "../../src/cli/serve.ts";
import { statelySite } from "../../src/inspect/site.ts";
import { statelyHtml } from "../../src/inspect/stately-page.ts";
import { statelyEvents } from "../../src/inspect/stately.ts";
import { createTestKit } from "../../src/testing/index.ts";
import { eager } from "./browser.ts";
import { findChromium, startChromium } from "./chromium.ts";
import { follow, read, trip } from "./runs.ts";

const esbuild = createRequire(import.meta.resolve("tsx"))("esbuild") as {
  build(options: object): Promise<{ outputFiles: readonly { text: string }[] }>;
};

/** The viewer's script as a browser runs it. */
async function bundleViewer(): Promise<string> {
  const { outputFiles } = await esbuild.build({
    entryPoints: ["test/inspect/stately-viewer.ts"],
    bundle: true,
    write: false,
    format: "iife",
    platform: "browser",
    conditions: ["browser"],
  });
  return outputFiles[0]?.text ?? "";
}

/** Serves one text for each path on a port of its own: two servers are two origins. */
async function serve(
  paths: Readonly<Record<string, () => readonly [type: string, body: string] | string>>,
): Promise<Server> {
  const server = createServer((request, response) => {
    const answer = paths[request.url ?? ""]?.();
    if (answer === undefined) response.writeHead(404).end();
    else if (typeof answer === "string") response.writeHead(302, { location: answer }).end();
    else response.writeHead(200, { "content-type": `${answer[0]}; charset=utf-8` }).end(answer[1]);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

const originOf = (server: Server): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

test("the page takes no viewer that is not on the web, and lets no text out of its place", () => {
  for (const viewer of ["javascript:alert(1)", "file:///etc/passwd", "stately.ai", ""])
    expect(() => statelyHtml([], { viewer })).toThrow("is not the address of a viewer");
  const hostile = "</script><script>alert(1)</script><!--";
  const { plan } = workflow("small").step("a", () => 1);
  const frames = [{ at: 0, events: [hostile], status: "pending" as const, snapshot: null, details: {} }];
  const html = statelyHtml(statelyEvents({ id: hostile, plan, frames }), {
    viewer: `https://example.com/?q=${hostile}`,
  });
  expect(html.match(/<script/g)).toHaveLength(2);
  expect(html).not.toContain("<!--");
  expect(html).toContain("default-src 'none'");
});

const executable = await findChromium();

describe.skipIf(executable === undefined)("in Chromium the page", () => {
  const servers: Server[] = [];
  let context: BrowserContext;
  let viewer = "";
  let html = "";
  let home = "";
  let close: () => Promise<void> = async () => {};
  const asked: string[] = [];

  beforeAll(async () => {
    const script = await bundleViewer();
    const stand = await serve({
      "/inspect": () => ["text/html", '<!doctype html><title>viewer</title><script src="/viewer.js"></script>'],
      "/viewer.js": () => ["text/javascript", script],
      "/moved": () => `http://localhost:${new URL(viewer).port}/inspect`,
    });
    viewer = `${originOf(stand)}/inspect`;
    const ours = await serve({ "/": () => ["text/html", html] });
    home = `${originOf(ours)}/`;
    servers.push(stand, ours);
    const browser = await startChromium(executable ?? "");
    context = await browser.newContext();
    context.on("request", (request) => asked.push(request.url()));
    close = () => browser.close();
  });
  afterAll(async () => {
    await close();
    for (const server of servers) server.close();
  });

  /** Opens the page, and the viewer that it opens. */
  async function open(timeline: Timeline, address = viewer): Promise<{ page: Page; popup: Page }> {
    html = statelyHtml(statelyEvents(timeline), { viewer: address });
    return openAt(home);
  }

  async function openAt(url: string): Promise<{ page: Page; popup: Page }> {
    const page = await context.newPage();
    await page.goto(url);
    if (context.pages().length < 2) await Promise.all([context.waitForEvent("page"), page.getByRole("button").click()]);
    const popup = context.pages().find((other) => other !== page) as Page;
    return { page, popup };
  }

  async function trippedTimeline(): Promise<Timeline> {
    await using kit = await createTestKit({ workflows: [trip] });
    const run = await kit.client.start(trip);
    await kit.until(run, "waiting_signal");
    await run.signal("answer", { yes: true });
    await run.wait();
    return read(kit.store, run.id);
  }

  const sent = (page: Page, words: RegExp): Promise<void> =>
    page.getByRole("status").filter({ hasText: words }).waitFor();

  test("opens the viewer and posts every message, also when it is loaded again; it asks nobody else", async () => {
    const timeline = await trippedTimeline();
    const events = JSON.parse(JSON.stringify(statelyEvents(timeline))) as unknown[];
    asked.splice(0);
    const { page, popup } = await open(timeline);
    await sent(page, new RegExp(`^${events.length} messages were sent to ${viewer}`));
    await popup.waitForFunction((count) => globalThis.received.length === count, events.length);
    expect(await popup.evaluate(() => globalThis.received)).toEqual(events);
    await popup.reload();
    await popup.waitForFunction((count) => globalThis.received.length === count, events.length);
    expect(await popup.evaluate(() => globalThis.received)).toEqual(events);
    const others = asked.filter((url) => !url.startsWith(home) && !url.startsWith(new URL(viewer).origin));
    expect(others).toEqual([]);
    for (const one of context.pages()) await one.close();
  });

  test("goes on with what a live run does next, and tells all of it to a viewer that comes late", async () => {
    await using kit = await createTestKit({ workflows: [trip] });
    const run = await kit.client.start(trip);
    await kit.until(run, "waiting_signal");
    const readOn = follow(kit.store, run.id);
    const before = statelyEvents(await readOn());
    await using served = await serveSite(statelySite({ read: readOn, grows: true, host: eager }, { viewer }));
    const { page, popup } = await openAt(served.url);
    await popup.waitForFunction((count) => globalThis.received.length === count, before.length);
    await run.signal("answer", { yes: true });
    await run.wait();
    const events = JSON.parse(JSON.stringify(statelyEvents(await readOn()))) as unknown[];
    expect(events.length).toBeGreaterThan(before.length);
    await popup.waitForFunction((count) => globalThis.received.length === count, events.length);
    expect(await popup.evaluate(() => globalThis.received)).toEqual(events);
    await sent(page, new RegExp(`^${events.length} messages were sent to ${viewer}; what comes next follows`));
    await popup.reload();
    await popup.waitForFunction((count) => globalThis.received.length === count, events.length);
    expect(await popup.evaluate(() => globalThis.received)).toEqual(events);
    for (const one of context.pages()) await one.close();
  });

  test("sends nothing to another origin that the viewer moved to", async () => {
    const timeline = await trippedTimeline();
    const { page, popup } = await open(timeline, viewer.replace("/inspect", "/moved"));
    await sent(page, /Nothing was sent there/);
    expect(await popup.evaluate(() => globalThis.received)).toEqual([]);
    for (const one of context.pages()) await one.close();
  });
});
