/**
 * How late are flights? Extract: cut the file of flights into parts. Transform: add each part up, side by side. Load: join the sums with
 * the names of the airports into one report.
 *
 * Data travels in files; results of steps only name them. Every file is written whole and under a name that depends on nothing but the
 * step, so a step that runs twice leaves what it left the first time.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { PermanentError, type StepContext, workflow } from "buquet-workflow";
import { writeWhole } from "../support/files.ts";
import { parseCsv } from "./csv.ts";

/** Flights that leave later than this many minutes are late, as the US Department of Transportation counts. */
export const LATE_AFTER_MINUTES = 14;

const flightSchema = z.object({
  date: z.string().regex(/^\d{4}\/\d{2}\/\d{2} /),
  delay: z.number().int(),
  origin: z.string(),
});
type Flight = z.infer<typeof flightSchema>;

/** What is counted, of any set of flights. Whole numbers: the order in which they are added does not matter. */
export interface Sums {
  readonly flights: number;
  readonly late: number;
  readonly delay_minutes: number;
}
type SumsByAirport = Record<string, Record<string, Sums>>;

/** The report. */
export interface Report {
  readonly total: Sums;
  /** One for each month, in order. */
  readonly months: readonly (Sums & { readonly month: string })[];
  /** One for each airport, the busiest first. */
  readonly airports: readonly (Sums & {
    readonly iata: string;
    readonly name: string;
    readonly state: string;
    readonly months: Readonly<Record<string, Sums>>;
  })[];
}

const NOTHING: Sums = { flights: 0, late: 0, delay_minutes: 0 };

function plus(a: Sums, b: Sums): Sums {
  return {
    flights: a.flights + b.flights,
    late: a.late + b.late,
    delay_minutes: a.delay_minutes + b.delay_minutes,
  };
}

function sumUp(flights: readonly Flight[]): SumsByAirport {
  const sums = new Map<string, Map<string, Sums>>();
  for (const { date, delay, origin } of flights) {
    const month = `${date.slice(0, 4)}-${date.slice(5, 7)}`;
    const months = sums.get(origin) ?? new Map<string, Sums>();
    sums.set(origin, months);
    const one = { flights: 1, late: delay > LATE_AFTER_MINUTES ? 1 : 0, delay_minutes: delay };
    months.set(month, plus(months.get(month) ?? NOTHING, one));
  }
  return Object.fromEntries([...sums].map(([origin, months]) => [origin, Object.fromEntries(months)]));
}

function merge(parts: readonly SumsByAirport[]): Map<string, Map<string, Sums>> {
  const merged = new Map<string, Map<string, Sums>>();
  for (const [origin, months] of parts.flatMap((part) => Object.entries(part))) {
    const known = merged.get(origin) ?? new Map<string, Sums>();
    merged.set(origin, known);
    for (const [month, sums] of Object.entries(months)) known.set(month, plus(known.get(month) ?? NOTHING, sums));
  }
  return merged;
}

function reportOf(merged: ReadonlyMap<string, ReadonlyMap<string, Sums>>, airportsCsv: string): Report {
  const known = new Map(parseCsv(airportsCsv).map((row) => [row["iata"] ?? "", row]));
  const byMonth = new Map<string, Sums>();
  const airports = [...merged].map(([iata, months]) => {
    for (const [month, sums] of months) byMonth.set(month, plus(byMonth.get(month) ?? NOTHING, sums));
    const airport = known.get(iata);
    return {
      iata,
      name: airport?.["name"] ?? "unknown",
      state: airport?.["state"] ?? "",
      ...[...months.values()].reduce(plus, NOTHING),
      months: Object.fromEntries([...months].toSorted(([a], [b]) => (a < b ? -1 : 1))),
    };
  });
  return {
    total: airports.reduce<Sums>(plus, NOTHING),
    months: [...byMonth].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([month, sums]) => ({ month, ...sums })),
    airports: airports.toSorted((a, b) => b.flights - a.flights || (a.iata < b.iata ? -1 : 1)),
  };
}

const PARTS = 4;
const inputSchema = z.object({
  /** A JSON list of flights. */
  flights: z.string(),
  /** A CSV file with the columns iata, name and state. */
  airports: z.string(),
  /** Where the parts and the report go. */
  folder: z.string(),
});
type Input = z.infer<typeof inputSchema>;

/** The transformation of one part. */
const transform = (part: number) => ({
  dependsOn: ["extract"] as const,
  run: (ctx: StepContext<Input, { readonly extract: { readonly parts: readonly string[] } }>) => {
    const flights = z
      .array(flightSchema)
      .parse(JSON.parse(readFileSync(ctx.results.extract.parts[part] ?? "", "utf8")));
    const sums = join(ctx.input.folder, "parts", `sums-${part}.json`);
    writeWhole(sums, JSON.stringify(sumUp(flights)));
    return { sums, flights: flights.length };
  },
});

export const flightDelays = workflow("flight_delays", { input: inputSchema })
  .step("extract", (ctx) => {
    const flights: unknown = JSON.parse(readFileSync(ctx.input.flights, "utf8"));
    if (!Array.isArray(flights) || flights.length === 0) throw new PermanentError("there are no flights in the file");
    const size = Math.ceil(flights.length / PARTS);
    const parts = Array.from({ length: PARTS }, (_, part) => {
      const path = join(ctx.input.folder, "parts", `flights-${part}.json`);
      writeWhole(path, JSON.stringify(flights.slice(part * size, (part + 1) * size)));
      return path;
    });
    return { parts };
  })
  .step("transform_0", transform(0))
  .step("transform_1", transform(1))
  .step("transform_2", transform(2))
  .step("transform_3", transform(3))
  .step("load", {
    dependsOn: ["transform_0", "transform_1", "transform_2", "transform_3"],
    run: (ctx) => {
      const parts = Object.values(ctx.results).map(
        ({ sums }) => JSON.parse(readFileSync(sums, "utf8")) as SumsByAirport,
      );
      const report = reportOf(merge(parts), readFileSync(ctx.input.airports, "utf8"));
      const path = join(ctx.input.folder, "report.json");
      writeWhole(path, `${JSON.stringify(report, null, 1)}\n`);
      return { report: path, ...report.total };
    },
  });
