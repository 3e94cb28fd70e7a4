/**
 * Takes 20,000 flights of the year 2001 from the package vega-datasets through the workflow beside this file. Killed and started again,
 * it goes on where it was.
 *
 * Arguments: the folder (default: .buquet/etl); the url of a bucket (default: a folder in it).
 */
import { readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { coloured, print, table } from "../support/print.ts";
import { connect, WorkflowClient } from "buquet-workflow";
import { openWork } from "../support/files.ts";
import { keepRunning } from "../support/processes.ts";
import { flightDelays, type Report } from "./workflow.ts";

const WORKERS = 2;

const folder = resolve(process.argv[2] ?? ".buquet/etl");
const finish = openWork(folder);
const store = process.argv[3] ?? `file:${join(folder, "bucket")}`;
const data = fileURLToPath(new URL("../data/", import.meta.resolve("vega-datasets")));

const workers = await Promise.all(
  Array.from({ length: WORKERS }, (_, index) =>
    keepRunning({
      script: new URL("worker.ts", import.meta.url),
      args: () => [store],
      onReplaced: (why) => print(`  worker ${index + 1} is gone (${why}); another one takes its place`),
    }),
  ),
);

const queue = await connect(store);
const client = new WorkflowClient(queue, { workflows: [flightDelays] });
const input = { flights: join(data, "flights-20k.json"), airports: join(data, "airports.csv"), folder };
const run = await client.start(flightDelays, input, { id: "flight-delays" });
for await (const view of run.watch()) print(`  ${coloured(view.status)}  ${view.currentSteps.join(", ")}`.trimEnd());
const { load } = await run.result();

if (load !== undefined) {
  const report = JSON.parse(readFileSync(load.report, "utf8")) as Report;
  const mean = (minutes: number, flights: number): string => (minutes / flights).toFixed(1);
  const rows = report.airports
    .slice(0, 10)
    .map(({ iata, name, flights, late, delay_minutes }) => [
      iata,
      name,
      String(flights),
      `${((100 * late) / flights).toFixed(1)} %`,
      mean(delay_minutes, flights),
    ]);
  print("");
  print(table(["FROM", "AIRPORT", "FLIGHTS", "LATE", "MEAN DELAY (MIN)"], rows));
  print("");
  print(`${load.flights} flights; the whole report: cat ${relative(process.cwd(), load.report)}`);
}

finish();
await Promise.all(workers.map((worker) => worker.stop()));
await queue.close();
