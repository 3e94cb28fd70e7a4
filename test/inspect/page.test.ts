/** The page of `inspect`, clicked through in a real browser. */
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type AnyWorkflow,
  connect,
  PermanentError,
  untypedWorkflow,
  Worker,
  workflow,
  WorkflowClient,
} from "../../src/index.ts";
import { serveSite } from "../../src/cli/serve.ts";
import type { Frame, Timeline } from "../../src/draw/timeline.ts";
import { createTestKit, type TestKit } from "../../src/testing/index.ts";
import { tell } from "../cli/run.ts";
import { activeIn, assets, litOn, open, openUrl, shownOn, siteOf, unfold, untilShown } from "./browser.ts";
import { WHOLE } from "../setting.ts";
import { findChromium, startChromium } from "./chromium.ts";
import { follow, read, slow, trip } from "./runs.ts";

const path = await findChromium();
let browser: Browser;
let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "buquet-page-"));
  if (path !== undefined) browser = await startChromium(path);
});
afterAll(async () => {
  await browser?.close();
  await rm(folder, { recursive: true, force: true });
});

const inBrowser = describe.skipIf(path === undefined);

/** Twenty waits side by side, one of them over. */
const broad: AnyWorkflow = Array.from({ length: 20 }, (_, index) => `part ${index + 1}`).reduce(
  (whole, name) =>
    whole.step(name, { run: (ctx: { waitForSignal(name: string): Promise<unknown> }) => ctx.waitForSignal(name) }),
  untypedWorkflow("broad"),
);

/** A run of a workflow, driven by `drive`, as a timeline. */
async function record(
  workflow: AnyWorkflow,
  id: string,
  drive: (kit: TestKit, run: { readonly id: string }) => Promise<unknown>,
): Promise<Timeline> {
  await using kit = await createTestKit({ workflows: [workflow] });
  const run = await kit.client.start(workflow.name, null, { id });
  await drive(kit, run);
  await kit.idle();
  return read(kit.store, id);
}

const compensated = (): Promise<Timeline> =>
  record(trip, "trip-1", async (kit, run) => {
    await kit.until(run, "waiting_signal");
    await kit.client.signal(run.id, "answer", { yes: true });
    await kit.client.wait(run.id);
  });

const runs: readonly (readonly [name: string, make: () => Promise<Timeline>])[] = [
  ["a saga that is undone", compensated],
  ["a delay and a signal node", () => record(slow, "slow-1", (kit, run) => kit.until(run, "waiting_signal"))],
  [
    "twenty waits side by side",
    () =>
      record(broad, "broad-1", async (kit, run) => {
        await kit.until(run, "waiting_signal");
        await kit.client.signal(run.id, "part 3", { rows: 3 });
      }),
  ],
  [
    "a run that was paused and cancelled",
    () =>
      record(trip, "trip-2", async (kit, run) => {
        await kit.until(run, "waiting_signal");
        await kit.client.pause(run.id, { reason: "lunch" });
        await kit.until(run, "paused");
        await kit.client.cancel(run.id);
        await kit.client.wait(run.id);
      }),
  ],
];

inBrowser("the page", () => {
  test.for(WHOLE ? runs : runs.slice(0, 1))(
    "lights for %s just what each version's snapshot says, clicked, typed and slid",
    async ([, make]) => {
      const timeline = await make();
      const count = timeline.frames.length;
      await using shown = await open(browser, siteOf(timeline));
      const { page } = shown;
      const drawn = await page.$$eval("#chart [data-state]", (all) =>
        all.map((state) => state.getAttribute("data-state")),
      );
      expect(drawn.length).toBe(new Set(drawn).size);
      const check = async (number: number): Promise<void> => {
        expect(await shownOn(page)).toBe(number);
        expect(await litOn(page), `version ${number}`).toEqual(activeIn(timeline, timeline.frames[number - 1]));
        for (const id of activeIn(timeline, timeline.frames[number - 1]).ids) expect(drawn).toContain(id);
      };
      await check(count);
      await page.getByRole("button", { name: "First version" }).click();
      for (let number = 1; number <= count; number += 1) {
        await check(number);
        if (number < count) await page.getByRole("button", { name: "One version on" }).click();
      }
      await check(count);
      // Backwards, and by keys alone.
      await page.keyboard.press("End");
      for (let number = count; number >= 1; number -= 1) {
        await check(number);
        await page.keyboard.press("ArrowLeft");
      }
      await page.keyboard.press("End");
      await check(count);
      await page.keyboard.press("Home");
      await check(1);
      await page.getByRole("slider").fill(String(Math.max(0, count - 2)));
      await check(count - 1);
      expect(shown.trouble).toEqual([]);
    },
  );

  test("is used by keys alone: each control is reached, shows its focus and works", async () => {
    const timeline = await compensated();
    await using shown = await open(browser, siteOf(timeline));
    const { page } = shown;
    const reached = new Set<string>();
    for (let stops = 0; stops < 40; stops += 1) {
      await page.keyboard.press("Tab");
      const focus = await page.evaluate(() => {
        const element = document.activeElement;
        if (element === null || element === document.body) return { id: "", outline: "none" };
        return { id: element.id, outline: getComputedStyle(element).outlineStyle };
      });
      if (focus.id === "" && focus.outline === "none") continue;
      expect(focus.outline, `the focus on ${focus.id} is seen`).not.toBe("none");
      reached.add(focus.id);
    }
    for (const id of ["first", "back", "on", "newest", "slider", "events", "chart", "smaller", "fit", "larger"])
      expect(reached).toContain(id);
    await page.locator("#first").focus();
    await page.keyboard.press("Enter");
    expect(await shownOn(page)).toBe(1);
    await page.locator("#slider").focus();
    await page.keyboard.press("ArrowRight");
    expect(await shownOn(page)).toBe(2);
    await page.keyboard.press("End");
    expect(await shownOn(page)).toBe(timeline.frames.length);
    await page.locator("#events").focus();
    await page.keyboard.press("ArrowUp");
    expect(await shownOn(page)).toBe(timeline.frames.length - 1);
    expect(shown.trouble).toEqual([]);
  });

  test("shows of each version what happened, what changed, what it waits for, results and why it failed", async () => {
    const timeline = await compensated();
    await using shown = await open(browser, siteOf(timeline));
    const { page } = shown;
    const rows = await page.$$eval("#events .what", (all) => all.map((row) => row.textContent));
    expect(rows).toEqual(timeline.frames.map(({ events }) => expect.stringContaining(events[0] ?? "")));
    await expect.poll(() => page.textContent("#error")).toContain("the card is empty");
    const waiting = timeline.frames.findIndex(({ status }) => status === "waiting_signal");
    await page.locator(`#frame-${waiting}`).click();
    expect(await page.textContent("#status")).toBe("waiting_signal");
    expect(await page.textContent("#waiting")).toMatch(/answersignal for confirmin 1 h/);
    expect(await page.isHidden("#error")).toBe(true);
    const quote = page.locator("#steps .step", { hasText: "quote" });
    expect(await quote.textContent()).toContain('{"price":10}');
    expect(await page.textContent("#changes")).toContain("steps.confirm.phase");
    expect(await page.locator("#changes .change", { hasText: "steps.confirm.phase" }).textContent()).toBe(
      'steps.confirm.phase"running""waiting"',
    );
    expect(await page.textContent("#changes")).not.toContain("outbox");
    await page.locator("#changes > .engine > summary").click();
    // A browser says that a fold was opened in a task of its own, after the click is over.
    await expect.poll(() => page.textContent("#changes")).toContain("outbox");
    // The address names the version, so that it can be shown to somebody.
    expect(new URL(page.url()).hash).toBe(`#${waiting + 1}`);
    await page.reload();
    await untilShown(page, waiting + 1);
    expect(shown.trouble).toEqual([]);
  });

  test("shows what an undo threw, with its stack, beside why the run failed", async () => {
    const stuck = workflow("stuck")
      .step("reserve", {
        run: () => 1,
        compensate: () => {
          throw new PermanentError("the hotel does not answer");
        },
      })
      .step("pay", {
        dependsOn: ["reserve"],
        onFailure: "compensate",
        run: () => {
          throw new PermanentError("the card is empty");
        },
      });
    const timeline = await record(stuck, "stuck-1", (kit, run) => kit.client.wait(run.id));
    await using shown = await open(browser, siteOf(timeline));
    await expect.poll(() => shown.page.textContent("#error")).toContain("CompensationFailed");
    const stacks = await shown.page.$$eval("#error .stack", (all) => all.map((one) => one.textContent ?? ""));
    expect(stacks).toEqual([expect.stringMatching(/PermanentError: the hotel does not answer\n +at /u)]);
    expect(shown.trouble).toEqual([]);
  });

  const widths = [1440, 900, 390];
  test.for(widths)("has at %i pixels everything on it and nothing beside it, light and dark", async (width) => {
    const timeline = await compensated();
    const grounds: string[] = [];
    for (const colorScheme of ["light", "dark"] as const) {
      await using shown = await open(browser, siteOf(timeline), { viewport: { width, height: 844 }, colorScheme });
      const { page } = shown;
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
      for (const id of ["chart", "events", "changes", "steps", "waiting", "input", "slider"]) {
        const box = await page.locator(`#${id}`).boundingBox();
        expect(box, `${id} is there`).not.toBeNull();
        expect((box?.x ?? -1) >= 0 && (box?.x ?? 0) + (box?.width ?? 0) <= width, `${id} is on the page`).toBe(true);
      }
      grounds.push(
        await page.evaluate(() => getComputedStyle(document.querySelector("header") as Element).backgroundColor),
      );
      expect(shown.trouble).toEqual([]);
    }
    expect(new Set(grounds).size).toBe(2);
  });

  test("scrolls the chart to where the run is", async () => {
    const timeline = await record(trip, "trip-3", (kit, run) => kit.until(run, "waiting_signal"));
    await using shown = await open(browser, siteOf(timeline), { viewport: { width: 390, height: 844 } });
    const inSight = await shown.page.evaluate(() => {
      const pane = document.querySelector("#chart")?.getBoundingClientRect();
      const live = document.querySelector("#chart .chip.live")?.getBoundingClientRect();
      return pane !== undefined && live !== undefined && live.left >= pane.left && live.right <= pane.right;
    });
    expect(inSight).toBe(true);
  });

  test("has the row of the version that is shown in sight, from the start and while it follows", async () => {
    const timeline = await compensated();
    let told: Timeline = { ...timeline, frames: timeline.frames.slice(0, -2) };
    // No room for all of them.
    await using shown = await open(
      browser,
      siteOf(async () => told),
      { viewport: { width: 1440, height: 380 } },
    );
    const { page } = shown;
    const seen = (): Promise<{ readonly selected: boolean; readonly scrolled: number }> =>
      page.$eval("#events", (list) => {
        const [box, row] = [list.getBoundingClientRect(), list.querySelector('[aria-selected="true"]')];
        const at = row?.getBoundingClientRect();
        return {
          selected: at !== undefined && at.top >= box.top - 1 && at.bottom <= box.bottom + 1,
          scrolled: list.scrollTop,
        };
      });
    const before = await seen();
    expect(before).toMatchObject({ selected: true });
    expect(before.scrolled).toBeGreaterThan(0);
    told = timeline;
    await untilShown(page, timeline.frames.length);
    const after = await seen();
    expect(after).toMatchObject({ selected: true });
    expect(after.scrolled).toBeGreaterThan(before.scrolled);
    // More room shows more rows.
    await page.setViewportSize({ width: 1440, height: 1_200 });
    await page.waitForFunction((all) => document.querySelectorAll("#events .row").length === all, told.frames.length);
    expect(shown.trouble).toEqual([]);
  });

  test.runIf(WHOLE)("keeps a long run of many steps small: a thousand versions, two hundred steps", async () => {
    const steps = Array.from({ length: 200 }, (_, index) => `step-${index}`);
    const workflow = steps.reduce(
      (whole, name, index) =>
        whole.step(name, { dependsOn: index < 10 ? [] : [steps[index - 10] as string], run: () => 1 }),
      untypedWorkflow("long"),
    );
    const first = await record(workflow, "long-1", (kit, run) => kit.client.wait(run.id));
    const frames = Array.from({ length: 1_000 }, (_, index) => first.frames[index % first.frames.length] as Frame);
    const timeline = { ...first, frames };
    await using shown = await open(browser, siteOf(timeline));
    const { page } = shown;
    expect(await page.locator("#events .row").count()).toBeLessThan(60);
    await page.keyboard.press("Home");
    expect(await page.locator("#frame-0").getAttribute("aria-selected")).toBe("true");
    await page.getByRole("slider").fill("499");
    expect(await litOn(page)).toEqual(activeIn(timeline, frames[499]));
    expect(await page.locator("#frame-499").getAttribute("aria-posinset")).toBe("500");
    expect(await page.locator("#events .row").count()).toBeLessThan(60);
    expect(shown.trouble).toEqual([]);
  });
});

inBrowser("a run that goes on", () => {
  test("is followed by itself, but not while somebody looks at an older version", async () => {
    await using kit = await createTestKit({ workflows: [trip] });
    const run = await kit.client.start(trip, null, { id: "live" });
    await kit.until(run, "waiting_signal");
    const readOn = follow(kit.store, run.id);
    const before = (await readOn()).frames.length;
    await using shown = await open(browser, siteOf(readOn));
    const { page } = shown;
    await page.waitForSelector('body[data-mode="following"]');
    expect(await page.textContent("#mode")).toBe("live, following");
    await kit.client.signal(run.id, "answer", { yes: true });
    await kit.client.wait(run.id);
    const timeline = await readOn();
    const count = timeline.frames.length;
    expect(count).toBeGreaterThan(before);
    await untilShown(page, count);
    expect(await litOn(page)).toEqual(activeIn(timeline, timeline.frames.at(-1)));
    expect(await page.textContent("#mode")).toBe("the run is over");
    expect(shown.trouble).toEqual([]);
  });

  test("waits with what is new until it is asked for", async () => {
    await using kit = await createTestKit({ workflows: [trip] });
    const run = await kit.client.start(trip, null, { id: "live" });
    await kit.until(run, "waiting_signal");
    const readOn = follow(kit.store, run.id);
    await using shown = await open(browser, siteOf(readOn));
    const { page } = shown;
    await page.keyboard.press("ArrowLeft");
    const stayed = await shownOn(page);
    const lit = await litOn(page);
    await kit.client.signal(run.id, "answer", { yes: true });
    await kit.client.wait(run.id);
    const count = (await readOn()).frames.length;
    await page.waitForFunction(
      (max) => (document.querySelector("#slider") as HTMLInputElement).max === max,
      String(count - 1),
    );
    expect(await shownOn(page)).toBe(stayed);
    expect(await litOn(page)).toEqual(lit);
    expect(await page.textContent("#mode")).toBe(`${count - stayed} behind`);
    await page.getByRole("button", { name: "Follow" }).click();
    expect(await shownOn(page)).toBe(count);
    expect(shown.trouble).toEqual([]);
  });

  test("says when nobody answers any more", async () => {
    const timeline = await compensated();
    const served = await serveSite(siteOf(async () => timeline));
    const { page } = await openUrl(browser, served.url);
    await page.waitForSelector('body[data-mode="over"]');
    await served[Symbol.asyncDispose]();
    await page.waitForSelector('body[data-mode="lost"]');
    expect(await page.textContent("#mode")).toContain("not connected");
    await page.context().close();
  });

  test("is shown by the command from another process, which knows secrets and tells none, and stops when it is told to", async () => {
    const store = `file:${join(folder, "bucket")}`;
    const queue = await connect(store);
    const client = new WorkflowClient(queue, { workflows: [trip] });
    const worker = new Worker(queue, { workflows: [trip], poll: 20 });
    await worker.start();
    const run = await client.start(trip, null, { id: "order-1" });
    for await (const view of client.watch(run.id)) if (view.status === "waiting_signal") break;
    const secret = "hunter2-hunter2";
    const child = spawn(
      process.execPath,
      ["--import", "tsx", "src/cli/main.ts", "inspect", run.id, "--store", store, "--no-open", "--json"],
      {
        env: { ...process.env, AWS_SECRET_ACCESS_KEY: secret, MY_TOKEN: secret },
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    const ended = new Promise<number | null>((resolve) => child.on("exit", resolve));
    try {
      let said = "";
      for await (const part of child.stdout) {
        said += String(part);
        if (said.includes("}")) break;
      }
      const { url } = JSON.parse(said) as { readonly url: string };
      expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
      const { page, trouble } = await openUrl(browser, url);
      await page.waitForSelector('body[data-mode="following"]');
      await client.signal(run.id, "answer", { yes: true });
      await client.wait(run.id);
      await page.waitForSelector('body[data-mode="over"]');
      expect(await page.textContent("#status")).toBe("failed");
      const all = (await page.content()) + (await (await fetch(`${url}timeline`)).text());
      expect(all).not.toContain(secret);
      expect(all).not.toContain(folder);
      expect(trouble).toEqual([]);
      await page.context().close();
      child.kill("SIGTERM");
      expect(await ended).toBe(0);
    } finally {
      child.kill("SIGKILL");
      await worker.stop();
      await queue.close();
    }
  });
});

// ------------------------------------------------------------------ hostile runs

/** Everything that a browser could take for its own, with a mark that is left when it does. */
const EVIL = [
  `</script x="`,
  `</script><script>window.__pwned=1</script>`,
  `<img src=x onerror="window.__pwned=1">`,
  `"><svg onload=window.__pwned=1>`,
  `'-window.__pwned=1-'`,
  `<!--<script>`,
  `</style><style>*{display:none}</style>`,
  `]]><script>window.__pwned=1</script>`,
  `\u2028window.__pwned=1\u2029`,
  `javascript:window.__pwned=1`,
  `<iframe src="https://example.com/">`,
  `\${window.__pwned=1}`,
  `$&$'$\``,
];
/** As far as a name may: no slash. */
const evilName = (index: number): string =>
  (EVIL[index % EVIL.length] ?? "").replaceAll("/", "∕").replaceAll(/[\u2028\u2029]/g, "");

inBrowser("a run whose every string is markup or script", () => {
  async function hostile(): Promise<Timeline> {
    const all = EVIL.join("");
    const names = EVIL.map((_, index) => evilName(index));
    let workflow = untypedWorkflow(`<b onclick=window.__pwned=1>${evilName(0)}`);
    for (const [index, name] of names.entries()) {
      const before = names[index - 1];
      workflow = workflow.step(name, {
        dependsOn: before === undefined ? [] : [before],
        compensate: () => {},
        run: async (ctx: { waitForSignal(name: string): Promise<unknown> }) => {
          if (index === 3) await ctx.waitForSignal(evilName(1));
          if (index === names.length - 1) throw new Error(all);
          return { [all]: all, __proto__x: all };
        },
        retries: 0,
      });
    }
    const id = evilName(1);
    await using kit = await createTestKit({ workflows: [workflow] });
    const run = await kit.client.start(workflow.name, { [all]: [all, { [all]: all }] }, { id });
    await kit.until(run, "waiting_signal");
    await kit.client.pause(id, { reason: all });
    await kit.until(run, "paused");
    await kit.client.resume(id);
    await kit.client.signal(id, evilName(1), { [all]: all });
    await kit.client.wait(id);
    const timeline = await read(kit.store, id);
    // What no run of ours writes, but another program may.
    const frames = timeline.frames.map((frame): Frame => ({ ...frame, events: [...EVIL, ...frame.events], note: all }));
    return { ...timeline, frames, notes: EVIL };
  }

  async function clickThrough(page: Page, timeline: Timeline): Promise<void> {
    await page.keyboard.press("Home");
    for (const frame of timeline.frames) {
      if (frame.snapshot !== null) expect(await litOn(page)).toEqual(activeIn(timeline, frame));
      await unfold(page);
      await page.keyboard.press("ArrowRight");
    }
    expect(await page.evaluate(() => (window as { __pwned?: unknown }).__pwned)).toBeUndefined();
    expect(
      await page.locator("script:not([nonce]):not([type='application/json']), iframe, img, b[onclick]").count(),
    ).toBe(0);
    expect(await page.textContent("h1 code")).toBe(timeline.id);
    expect(await page.textContent("#event")).toContain(EVIL[0]);
    expect(await page.textContent("#input")).toContain(EVIL[2]?.slice(0, 20));
  }

  test("does nothing, served", async () => {
    const timeline = await hostile();
    await using shown = await open(browser, siteOf(timeline));
    await clickThrough(shown.page, timeline);
    expect(shown.trouble).toEqual([]);
  });

  test.runIf(WHOLE)("does nothing, as a file or as news of a live run", async () => {
    const timeline = await hostile();
    const site = siteOf(timeline);
    const file = join(folder, "hostile.html");
    await writeFile(file, await site.html(site.nonce()));
    const { page, trouble } = await openUrl(browser, pathToFileURL(file).href);
    await clickThrough(page, timeline);
    expect(trouble).toEqual([]);
    await page.context().close();
    let told: Timeline = { ...timeline, frames: timeline.frames.slice(0, 1) };
    await using live = await open(
      browser,
      siteOf(async () => told),
    );
    told = timeline;
    await untilShown(live.page, timeline.frames.length);
    await clickThrough(live.page, timeline);
    expect(live.trouble).toEqual([]);
  });

  test("would do something without the escapes: the policy stops it, and is heard to", async () => {
    const timeline = await compensated();
    const site = siteOf(timeline);
    const broken = {
      ...site,
      html: async (nonce: string) =>
        (await site.html(nonce)).replace(
          "<header>",
          `<img src=x onerror="window.__pwned=1"><script>window.__pwned=1</script><header>`,
        ),
    };
    await using shown = await open(browser, broken);
    expect(await shown.page.evaluate(() => (window as { __pwned?: unknown }).__pwned)).toBeUndefined();
    expect(shown.trouble.join("\n")).toContain("Content Security Policy");
  });
});

// ------------------------------------------------------------------ the server

describe("the server", () => {
  const site = siteOf(async () => compensated());

  test("answers to loopback's own names and to GET, with a policy, and keeps nothing", async () => {
    await using served = await serveSite(site);
    const { port } = new URL(served.url);
    const ask = (
      host: string,
      init: { method?: string; path?: string } = {},
    ): Promise<{ status: number; body: string; headers: Record<string, unknown> }> =>
      raw(Number(port), init.method ?? "GET", init.path ?? "/", host);
    for (const host of [
      "evil.example",
      `evil.example:${port}`,
      "127.0.0.1",
      "127.0.0.1:1",
      `[::1]:${port}`,
      `127.0.0.1.evil.example:${port}`,
    ]) {
      for (const wanted of ["/", "/timeline", "/follow"]) {
        const refused = await ask(host, { path: wanted });
        expect(refused.status, host).toBe(421);
        expect(refused.body).not.toContain("trip");
      }
    }
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "HEAD"])
      expect((await ask(`127.0.0.1:${port}`, { method })).status).toBe(405);
    for (const wanted of ["/../../etc/passwd", "/page.js", "/%2e%2e/", "//evil.example/", "http://evil.example/"])
      expect((await ask(`127.0.0.1:${port}`, { path: wanted })).status).toBe(404);
    const first = await ask(`localhost:${port}`);
    const second = await ask(`127.0.0.1:${port}`);
    expect([first.status, second.status]).toEqual([200, 200]);
    expect(first.headers).toMatchObject({
      "cache-control": "no-store",
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff",
      "cross-origin-resource-policy": "same-origin",
    });
    const policy = String(first.headers["content-security-policy"]);
    for (const part of ["default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"])
      expect(policy).toContain(part);
    expect(policy).not.toMatch(/unsafe|\*|https?:/);
    expect(first.headers["content-security-policy"]).not.toBe(second.headers["content-security-policy"]);
    expect(first.headers["access-control-allow-origin"]).toBeUndefined();
    expect(JSON.parse((await ask(`127.0.0.1:${port}`, { path: "/timeline" })).body)).toMatchObject({ id: "trip-1" });
  });

  test("listens on loopback only", async () => {
    await using served = await serveSite(site);
    const { port } = new URL(served.url);
    const others = Object.values(networkInterfaces())
      .flatMap((all) => all ?? [])
      .filter(({ internal, family }) => !internal && family === "IPv4");
    for (const { address } of others) await expect(fetch(`http://${address}:${port}/`)).rejects.toThrow();
    // Another address of loopback too: not 0.0.0.0.
    if (process.platform === "linux") await expect(fetch(`http://127.0.0.2:${port}/`)).rejects.toThrow();
    expect((await fetch(served.url)).status).toBe(200);
  });

  test("refuses a port that is taken", async () => {
    await using served = await serveSite(site);
    await expect(serveSite(site, Number(new URL(served.url).port))).rejects.toMatchObject({ code: "invalid" });
  });

  test("ends at once, though somebody follows", async () => {
    const served = await serveSite(site);
    const stream = await fetch(`${served.url}follow`);
    expect(stream.headers.get("content-type")).toContain("text/event-stream");
    await served[Symbol.asyncDispose]();
    await expect(fetch(served.url)).rejects.toThrow();
  });
});

async function raw(
  port: number,
  method: string,
  path: string,
  host: string,
): Promise<{ status: number; body: string; headers: Record<string, unknown> }> {
  const { request } = await import("node:http");
  return new Promise((resolve, reject) => {
    const asked = request({ port, host: "127.0.0.1", method, path, headers: { host } }, (response) => {
      let body = "";
      response.on("data", (part) => (body += String(part)));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body, headers: response.headers }));
    });
    asked.on("error", reject);
    asked.end();
  });
}

// ------------------------------------------------------------------ the command

describe("inspect", () => {
  test("writes one file that needs nothing else", async () => {
    const store = `file:${join(folder, "written")}`;
    const queue = await connect(store);
    const client = new WorkflowClient(queue, { workflows: [trip] });
    await client.start(trip, null, { id: "order-2" });
    await queue.close();
    const out = join(folder, "page.html");
    expect(await tell("inspect", "order-2", "--out", out, "--store", store)).toMatchObject({
      code: 0,
      stdout: `${out}\n`,
    });
    const text = await readFile(out, "utf8");
    expect(text).toContain(assets.script);
    expect(text).not.toMatch(/<(?:script|link|img|iframe)[^>]+(?:src|href)="(?!data:)/);
    if (path === undefined) return;
    const { page, trouble } = await openUrl(browser, pathToFileURL(out).href);
    expect(await page.textContent("#mode")).toBe("a saved copy");
    expect(trouble).toEqual([]);
    await page.context().close();
  });

  test("opens a timeline from a file, such as a path without a clock", async () => {
    const timeline = await compensated();
    const path = {
      ...timeline,
      id: "a counterexample",
      frames: timeline.frames.map((frame) => ({ ...frame, at: null })),
    };
    const file = join(folder, "timeline.json");
    const out = join(folder, "timeline.html");
    await writeFile(file, JSON.stringify(path));
    expect((await tell("inspect", "--file", file, "--out", out)).code).toBe(0);
    expect(await readFile(out, "utf8")).toContain("a counterexample");
    const told = await tell("inspect", "--file", file, "--out", join(folder, "no-such-folder", "page.html"));
    expect(told).toMatchObject({ code: 2, stderr: expect.stringContaining("page.html cannot be written") });
  });

  const wrong: readonly (readonly [words: readonly string[], reason: string])[] = [
    [[], "name a run, or a timeline with --file"],
    [["order-1", "--file", "x.json"], "name a run, or a timeline with --file"],
    [["--file", "package.json"], "package.json is not a timeline"],
    [["--file", "no-such-file.json"], "no-such-file.json cannot be read"],
    [["nobody"], 'run "nobody" does not exist'],
    [["nobody", "--port", "70000"], "--port is 70000; it must be a whole number from 1 to 65535"],
  ];
  test.for(wrong)("%j is answered with a reason", async ([words, reason]) => {
    await mkdir(join(folder, "empty"), { recursive: true });
    const store = words.includes("--file") ? [] : ["--store", `file:${join(folder, "empty")}`];
    const told = await tell("inspect", ...words, ...store);
    expect(told).toMatchObject({ code: 2, stdout: "" });
    expect(told.stderr).toContain(reason);
  });
});
