/** The two pages of a run: our own, and the one that hands it to Stately. */
import type { MachineConfig } from "../../machines/chart.ts";
import { compilePlan } from "../../machines/plan/compile.ts";
import { chartSvg } from "../draw/svg.ts";
import type { Timeline } from "../draw/timeline.ts";
import type { Host } from "../host/host.ts";
import { readOften } from "./feed.ts";
import { pageData, pageFrames, type PageNews, statesOf } from "./page-data.ts";
import { pageHtml, type PageParts } from "./page.ts";
import type { Site } from "./server.ts";
import { statelyHtml, type StatelyNews, type StatelyPageOptions } from "./stately-page.ts";
import { statelyEvents } from "./stately.ts";

/** What is shown. */
export interface Subject {
  /** Reads it as it is now; the same object while nothing changed. */
  read(): Promise<Timeline>;
  /** Whether more of it may come. */
  readonly grows: boolean;
  readonly host: Host;
}

/** Style and script of the page, as `src/inspect/page` has them. */
export type PageAssets = Pick<PageParts, "style" | "script">;

const nonceOf =
  ({ host }: Subject): Site["nonce"] =>
  () =>
    host.random.uuid().replaceAll("-", "");

/** Our own page. */
export function pageSite(subject: Subject, assets: PageAssets): Site {
  const { read, grows, host } = subject;
  const charts = new WeakMap<Timeline["plan"], Chart>();
  const chartOf = ({ plan }: Timeline): Chart => {
    const chart = charts.get(plan) ?? drawChart(compilePlan(plan));
    charts.set(plan, chart);
    return chart;
  };
  const site: Site = {
    html: async (nonce) => {
      const timeline = await read();
      const { config, svg } = chartOf(timeline);
      return pageHtml(pageData(config, timeline, grows), { ...assets, chart: await svg(), nonce });
    },
    timeline: async () => {
      const timeline = await read();
      return pageData(chartOf(timeline).config, timeline, grows);
    },
    nonce: nonceOf(subject),
  };
  if (!grows) return site;
  return {
    ...site,
    follow: async function* (from, signal) {
      let next = from;
      for await (const timeline of readOften(read, { clock: host.clock, signal })) {
        const { config } = chartOf(timeline);
        const frames = pageFrames(config, timeline.frames, next);
        const news: PageNews = { id: timeline.id, stateCount: statesOf(config).length, from: next, frames };
        next += frames.length;
        if (frames.length > 0) yield { next, news };
      }
    },
  };
}

/** A plan compiled, and drawn when it is needed: layout is the slow part. */
interface Chart {
  readonly config: MachineConfig;
  svg(): Promise<string>;
}

function drawChart(config: MachineConfig): Chart {
  let svg: Promise<string> | undefined;
  return { config, svg: () => (svg ??= chartSvg(config)) };
}

/** The page that hands the run to Stately's viewer, and what a live one does next. */
export function statelySite(subject: Subject, options: Pick<StatelyPageOptions, "viewer"> = {}): Site {
  const { read, grows, host } = subject;
  const site: Site = {
    html: async () => statelyHtml(statelyEvents(await read()), { ...options, live: grows }),
    // It brings its own policy: the hashes of its script and style.
    policy: () => "object-src 'none'",
    timeline: async () => statelyEvents(await read()),
    nonce: nonceOf(subject),
  };
  if (!grows) return site;
  return {
    ...site,
    follow: async function* (from, signal) {
      let next = from;
      for await (const timeline of readOften(read, { clock: host.clock, signal })) {
        const events = statelyEvents(timeline).slice(next);
        const news: StatelyNews = { id: timeline.id, events };
        next += events.length;
        if (events.length > 0) yield { next, news };
      }
    },
  };
}
