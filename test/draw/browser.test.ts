/** The picture as a browser shows it: with real fonts, no text runs out of its box or over another. */
import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compilePlan } from "../../machines/plan/compile.ts";
import { chartSvg } from "../../src/draw/svg.ts";
import { requireChromium } from "./chromium.ts";
import { SHAPES } from "./shapes.ts";

const path = await requireChromium();

describe.skipIf(path === undefined)("in a browser", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await chromium.launch({
      ...(path === undefined ? {} : { executablePath: path }),
      args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"],
    });
  });
  afterAll(() => browser?.close());

  test.each(Object.entries(SHAPES))("%s: every text has its room", async (_name, plan) => {
    const page = await browser.newPage();
    try {
      const asked: string[] = [];
      page.on("request", ({ url }) => asked.push(url()));
      page.on("dialog", (dialog) => {
        asked.push(`dialog ${dialog.message()}`);
        void dialog.dismiss();
      });
      const svg = await chartSvg(compilePlan(plan));
      await page.setContent(`<body style="margin:0">${svg}</body>`);
      // A text, because the compiler of the tests knows no browser.
      const faults = await page.evaluate(`(${FIND_FAULTS})(${JSON.stringify(svg)})`);
      expect(faults).toEqual([]);
      expect(asked).toEqual([]);
    } finally {
      await page.close();
    }
  });
});

/** Runs in the page. */
const FIND_FAULTS = `(svg) => {
  const faults = [];
  const parsed = new DOMParser().parseFromString(svg, "image/svg+xml");
  if (parsed.querySelector("parsererror")) faults.push("no XML: " + parsed.documentElement.textContent.slice(0, 200));
  const texts = [...document.querySelectorAll("text")];
  const areas = texts.map((text) => text.getBoundingClientRect());
  const overlap = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 2 && b.top < a.bottom - 2;
  const solid = [...document.querySelectorAll(".step > .box, .signal > .box, .pill > .box, .final > .box, .chip > .box")];
  const sheet = document.querySelector("svg").getBoundingClientRect();
  for (const [index, text] of texts.entries()) {
    const area = areas[index];
    const state = text.closest(".state");
    const box = state === null ? null : state.querySelector(":scope > .box");
    const owned = box !== null && solid.includes(box);
    const room = owned ? box.getBoundingClientRect() : sheet;
    if (area.left < room.left || area.right > room.right || area.top < room.top || area.bottom > room.bottom)
      faults.push(text.textContent + " runs out of its box");
    for (const other of solid)
      if (other !== box && overlap(area, other.getBoundingClientRect()))
        faults.push(text.textContent + " is over " + other.parentElement.dataset.state);
    for (const [later, theirs] of areas.entries())
      if (later > index && overlap(area, theirs)) faults.push(text.textContent + " is over " + texts[later].textContent);
  }
  return faults;
}`;
