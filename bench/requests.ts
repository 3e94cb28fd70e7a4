/** Prints what steps cost in requests, against the budget. */
import { table } from "../src/cli/output.ts";
import { measureChain, measureIdle } from "./chain.ts";

const few = await measureChain(1, 50);
const many = await measureChain(101, 50);
const perStep = (kind: string): string => (((many.byKind[kind] ?? 0) - (few.byKind[kind] ?? 0)) / 100).toFixed(2);
const longFew = await measureChain(1, 50, 15_000);
const longMany = await measureChain(11, 50, 15_000);
const perLong = (kind: string): string =>
  (((longMany.byKind[kind] ?? 0) - (longFew.byKind[kind] ?? 0)) / 10).toFixed(2);
const lists = await measureIdle();
console.log(
  table(
    ["PER LINEAR STEP", "COUNTED", "BUDGET"],
    [
      ["PUT, short step", perStep("put"), "3"],
      ["GET, short step", perStep("get"), "0.1"],
      ["DELETE, short step", perStep("delete"), "0"],
      ["PUT, step of 15 s (one heartbeat of two leases)", perLong("put"), "5 and 2 for each heartbeat of a lease"],
      ["sequential round trips", String(many.handlersMs / 50 / 100), "1"],
      ["LIST of an idle worker, a minute", (lists / 60).toFixed(1), "17"],
    ],
  ),
);
console.log(`100 hand-overs at 50 ms a request take ${many.handlersMs} ms of virtual time`);
