/** The ETL over real flights: its report against figures that were reckoned by others, and its workers killed on the way. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseCsv } from "../../examples/etl/csv.ts";
import type { Report } from "../../examples/etl/workflow.ts";
import type { PlannedKill } from "./kill-hook.ts";
import { firedOf, inFolder, plan, processesOf, runProgram } from "./programs.ts";

const ETL = "examples/etl/main.ts";
const DATA = "node_modules/vega-datasets/data";

/**
 * Every figure of the report (airport, name, state, month, flights, late, minutes of delay), reckoned in Python 3.11 over the files of
 * vega-datasets 3.2.1:
 *
 *     import collections, csv, hashlib, json
 *     names = {a["iata"]: a for a in csv.DictReader(open("airports.csv", encoding="utf-8"))}
 *     rows = collections.defaultdict(list)
 *     for f in json.load(open("flights-20k.json")):
 *         rows[f["origin"], f["date"][:7].replace("/", "-")].append(f["delay"])
 *     lines = ["|".join([o, names[o]["name"], names[o]["state"], m, str(len(d)), str(sum(x >= 15 for x in d)), str(sum(d))])
 *              for (o, m), d in rows.items()]
 *     lines.sort(key=lambda line: line.encode())
 *     print(len(lines), hashlib.sha256("\n".join(lines).encode()).hexdigest())
 */
const PYTHON = { lines: 598, sha256: "56dbf7933932b10ad8dc8a15cc937dd2eb6b8542bcd393810907ef48eb90ac36" };

function readReport(folder: string): Report {
  return JSON.parse(readFileSync(join(folder, "report.json"), "utf8")) as Report;
}

/** The figures by plain loops over the raw text: no parser, no table of sums, one pass for each figure that is asked for. */
function countFlights(wanted: (date: string, origin: string) => boolean): number[] {
  const raw = readFileSync(join(DATA, "flights-20k.json"), "utf8");
  let flights = 0;
  let late = 0;
  let minutes = 0;
  for (const [, date = "", delay = "", origin = ""] of raw.matchAll(
    /\{"date":"([^"]*)","delay":(-?\d+),"distance":\d+,"origin":"([A-Z0-9]+)"/g,
  )) {
    if (!wanted(date, origin)) continue;
    flights += 1;
    if (Number(delay) >= 15) late += 1;
    minutes += Number(delay);
  }
  return [flights, late, minutes];
}

function expectRight(folder: string): void {
  const { total, months, airports } = readReport(folder);
  const lines = airports.flatMap(({ iata, name, state, months: own }) =>
    Object.entries(own).map(([month, sums]) =>
      [iata, name, state, month, sums.flights, sums.late, sums.delay_minutes].join("|"),
    ),
  );
  const digest = createHash("sha256").update(lines.toSorted().join("\n")).digest("hex");
  expect({ lines: lines.length, sha256: digest }).toEqual(PYTHON);
  expect(Object.values(total)).toEqual(countFlights(() => true));
  expect(months.map(({ month, ...sums }) => [month, ...Object.values(sums)])).toEqual(
    ["2001-01", "2001-02", "2001-03"].map((month) => [
      month,
      ...countFlights((date) => date.startsWith(month.replace("-", "/"))),
    ]),
  );
  for (const { iata, flights, late, delay_minutes } of airports.slice(0, 20))
    expect([flights, late, delay_minutes], iata).toEqual(countFlights((_date, origin) => origin === iata));
  const order = airports.map(({ iata, flights }) => `${String(99_999 - flights).padStart(5, "0")} ${iata}`);
  expect(order).toEqual(order.toSorted());
}

test("reports the figures that others reckoned, and prints the busiest airports", { timeout: 600_000 }, async () => {
  await inFolder(async (folder) => {
    const { code, output } = await runProgram(ETL, [folder]);
    expect(code, output).toBe(0);
    expectRight(folder);
    expect(output).toContain("DFW   Dallas-Fort Worth International    1103     25.6 %  9.5");
    expect(output).toContain("20000 flights");
  });
});

/** `.ci/run` kills it in every way; otherwise not at all: the demo is killed. */
const EVERY = process.env["CRASHES"] === "all";
const KILLS: readonly { readonly where: string; readonly kills: readonly PlannedKill[] }[] = [
  {
    where: "between two parts of the extraction",
    kills: [{ program: "worker", point: "write", match: "/parts/flights-2", when: "before", nth: 1 }],
  },
  {
    where: "in a transformation, then just before the report",
    kills: [
      { program: "worker", point: "write", match: "/parts/sums-1", when: "after", nth: 1 },
      { program: "worker", point: "write", match: "/report.json", when: "before", nth: 1 },
    ],
  },
  {
    where: "with a result committed, then with the report written and not told",
    kills: [
      { program: "worker", point: "write", match: "/steps/transform_3", when: "before", nth: 1 },
      { program: "worker", point: "write", match: "/report.json", when: "after", nth: 1 },
    ],
  },
  {
    where: "in the start of the run, then after a commit",
    kills: [
      { program: "main", point: "write", match: "/state.json", when: "after", nth: 1 },
      { program: "worker", point: "write", match: "/state.json", when: "after", nth: 2 },
    ],
  },
];

describe.runIf(EVERY)("killed with kill -9, the report is the same", () => {
  test.concurrent.for(KILLS)("$where", { timeout: 600_000 }, ({ kills }, context) =>
    inFolder(async (home) => {
      const folder = join(home, "etl");
      const plans = await plan(home, kills);
      const ends = [await runProgram(ETL, [folder], { plans })];
      while (ends.at(-1)?.signal === "SIGKILL") ends.push(await runProgram(ETL, [folder], { plans }));
      const output = ends.map((end) => end.output).join("\n");
      context.expect(ends.at(-1)?.code, output).toBe(0);
      context.expect(firedOf(plans, kills), output).not.toContain(undefined);
      expectRight(folder);
      await context.expect.poll(() => processesOf(folder), { timeout: 120_000 }).toEqual([]);
    }),
  );
});

test("reads fields in quotes", () => {
  expect(parseCsv('a,b,c\n1,"x, ""y""",\n,,z\n')).toEqual([
    { a: "1", b: 'x, "y"', c: "" },
    { a: "", b: "", c: "z" },
  ]);
});
