/** Every command with its options, help and examples. */
import type { CommandSpec, Contradiction, OptionSpec, ParsedArguments } from "./arguments.ts";
import { BULK, FILTERS } from "./bulk.ts";
import { showCost } from "./cost.ts";
import { runDoctor } from "./doctor.ts";
import { drawGraph } from "./graph.ts";
import { diffRun, logRun, showRun } from "./history.ts";
import { exploreWorkflow } from "./explore.ts";
import { inspectRun } from "./inspect.ts";
import { showRuns, showReasons, showStatus, showSteps, watchRun } from "./show.ts";
import { showNext } from "./next.ts";
import { MOST_CONCURRENCY, WORKER_CHECKS } from "../services/worker-options.ts";
import { runSweeper, runWorker } from "./operate.ts";
import {
  cancelRun,
  pauseRun,
  resumeRun,
  retryRun,
  sendEvent,
  signalRun,
  skipStep,
  startOne,
  terminateRun,
} from "./steer.ts";

const COMMON: Readonly<Record<string, OptionSpec>> = {
  store: {
    value: "url",
    help: "Bucket or folder: file:path, file:///encoded%20path, s3://bucket?endpoint=… (default: environment, .buquet.toml, else file:.buquet)",
  },
  workflows: { value: "module", help: "Module that exports workflows", repeatable: true },
  json: { help: "Print JSON" },
};

const reason: OptionSpec = { value: "text", help: "Why, for people" };

function command(
  name: string,
  takes: readonly string[],
  help: string,
  run: (args: ParsedArguments) => Promise<number>,
  options: Readonly<Record<string, OptionSpec>>,
  examples: readonly string[],
  contradictions: readonly Contradiction[] = [],
): CommandSpec {
  return {
    name,
    takes,
    help,
    run,
    options: { ...options, ...COMMON },
    contradictions,
    examples: examples.map((example) => `buquet-workflow ${name}${example === "" ? "" : ` ${example}`}`),
  };
}

/** All commands, in the order of the help. */
export const commands: readonly CommandSpec[] = [
  command(
    "worker",
    [],
    "Run steps until the process is asked to stop",
    runWorker,
    {
      concurrency: { value: "n", help: "How many steps run at once (default: 10)", counts: [1, MOST_CONCURRENCY] },
      poll: {
        value: "duration",
        help: "How often an idle worker lists ready tasks (default: 5s); 1ms to 1d",
        check: WORKER_CHECKS.poll,
      },
      lease: {
        value: "duration",
        help: "How long a task is held without a heartbeat (default: 30s); 6s to 1d, on Cloudflare R2 from 10s",
        check: WORKER_CHECKS.lease,
      },
      grace: {
        value: "duration",
        help: "How long a stop takes at most; steps that still run are handed back (default: 30s); 0s to ten years",
        check: WORKER_CHECKS.shutdownGrace,
      },
      "foreign-poll": {
        value: "duration",
        help: "How often runs with foreign: true are checked for changes (default: 10s); 1ms to 1d",
        check: WORKER_CHECKS.foreignPoll,
      },
    },
    ["--workflows ./workflows.js", "--workflows ./orders.js --workflows ./etl.js --concurrency 50"],
  ),
  command(
    "start",
    ["<workflow>", "[input]"],
    "Start a run; the input is JSON",
    startOne,
    {
      id: {
        value: "id",
        help: "Id of the run; the same id and input start one run, another input is an error (default: wf- and a ULID)",
      },
      wait: { help: "Wait until it is over" },
    },
    [`order_fulfillment '{"order_id":"123"}' --wait`, `order_fulfillment '{"order_id":"123"}' --id order-123`],
  ),
  command("status", ["<id>"], "Show a run, and why it does not move", showStatus, {}, [
    "order-123",
    "order-123 --json",
  ]),
  command(
    "explain",
    ["<id>"],
    "Explain why a run does not move: a line for each reason, none when it is over",
    showReasons,
    {},
    ["order-123", "order-123 --json"],
  ),
  command(
    "cost",
    ["<workflow>"],
    "Predict what a run costs: requests and dollars, path by path",
    showCost,
    {
      duration: {
        value: "duration",
        help: "How long handlers take, or step=duration (default: 100ms)",
        repeatable: true,
      },
      waits: { value: "step=signal", help: "A signal that the handler of a step waits for", repeatable: true },
      answer: { value: "duration", help: "How long after a wait has begun its signal is sent (default: 1h)" },
      "foreign-poll": {
        value: "duration",
        help: "How often the worker checks runs with foreign: true (default: 10s)",
      },
      path: { value: "text", help: "Only paths whose name contains this text", repeatable: true },
      all: { help: "Count every path, also of a long workflow (default: the first 15)" },
      why: { help: "Also print the purpose of the requests" },
    },
    ["order_fulfillment --workflows ./orders.js", "order_fulfillment --path 'charge fails' --why"],
    [
      ["json", "why", "JSON always has the purpose of the requests"],
      ["json", "all", "JSON always has every path"],
    ],
  ),
  command("steps", ["<id>"], "Show the steps of a run", showSteps, {}, ["order-123"]),
  command(
    "list",
    [],
    "List runs",
    showRuns,
    {
      ...FILTERS,
      limit: {
        value: "n",
        help: "Most runs; narrow with --prefix too: other filters read every run (default: 100)",
        counts: [1],
      },
    },
    ["--status failed", "--type order_fulfillment --prefix order- --limit 1000 --json"],
  ),
  command("watch", ["<id>"], "Follow a run until it is over", watchRun, {}, ["order-123"]),
  command(
    "graph",
    ["[workflow]"],
    "Draw a workflow, or a run with its states highlighted",
    drawGraph,
    {
      run: { value: "id", help: "Draw the workflow of this run, with its states highlighted" },
      format: { value: "format", help: "svg, png, mermaid, json or source (default: as --out ends, else svg)" },
      out: { value: "file", help: "Write to this file (default: standard output)" },
    },
    ["order --workflows ./orders.js --out order.svg", "--run order-123 --out order-123.png", "order --format mermaid"],
  ),
  command("log", ["<run>"], "Show every write of a run", logRun, {}, ["order-123", "order-123 --json"]),
  command(
    "show",
    ["<run>"],
    "Show a run as it was",
    showRun,
    {
      at: {
        value: "version",
        help: "Number from 1 (-1 is the last), id in the store, instant, or -5m (default: the last)",
      },
    },
    ["order-123 --at 3", "order-123 --at -2", "order-123 --at 2026-01-31T12:00:00Z", "order-123 --at -5m --json"],
  ),
  command("diff", ["<run>", "<a>", "<b>"], "Show what changed between two versions of a run", diffRun, {}, [
    "order-123 1 -1",
    "order-123 -1h -1",
  ]),
  command("signal", ["<id>", "<name>", "[payload]"], "Send a signal; the payload is JSON", signalRun, {}, [
    `order-123 approval '{"approver":"manager@example.com"}'`,
  ]),
  command("send", ["<id>", "<event-type>", "[members]"], "Send an event; its members are JSON", sendEvent, {}, [
    `order-123 approval '{"approver":"manager@example.com"}'`,
  ]),
  command("next", ["<id>"], "Show what can happen next, and where it leads", showNext, {}, [
    "order-123",
    "order-123 --workflows ./orders.js --json",
  ]),
  command(
    "cancel",
    ["[id]"],
    "Stop a run, or many, and undo what it did",
    cancelRun,
    { reason, "no-compensate": { help: "Undo nothing" }, ...BULK },
    [
      `order-123 --reason "the customer changed their mind"`,
      "--all --type order_fulfillment --status paused --older-than 7d --dry-run",
    ],
  ),
  command("pause", ["[id]"], "Pause a run: start nothing new until resume", pauseRun, { reason, ...BULK }, [
    `order-123 --reason "the bank is closed"`,
    "--all --type order_fulfillment --yes",
  ]),
  command("resume", ["[id]"], "Resume a paused run; held steps are tried again", resumeRun, BULK, [
    "order-123",
    "--all --type order_fulfillment --yes",
  ]),
  command("retry", ["[id]"], "Reopen a failed run; completed steps that were not undone stay", retryRun, BULK, [
    "order-123",
    "--all --type order_fulfillment --dry-run",
    "--all --type order_fulfillment --limit 100 --yes",
  ]),
  command("skip", ["<id>", "<step>"], "Continue after a held step", skipStep, {}, ["order-123 inspect"]),
  command("terminate", ["[id]"], "End a run at once; nothing is undone", terminateRun, { reason, ...BULK }, [
    `order-123 --reason "it was a test"`,
    "--all --prefix test- --yes",
  ]),
  command(
    "inspect",
    ["[run]"],
    "Show a run in the browser: its chart, every version, live",
    inspectRun,
    {
      file: { value: "timeline", help: "Show a timeline from a file instead of a run" },
      out: { value: "page", help: "Write the page to a self-contained file, and exit" },
      port: { value: "n", help: "Port on 127.0.0.1 (default: any that is free)", counts: [1, 65_535] },
      "no-open": { help: "Open no browser" },
      stately: { help: "Hand the run to the Stately inspector" },
    },
    ["order-123", "order-123 --out order-123.html", "--file counterexample.json"],
    [
      ["out", "port", "a page that is written to a file is not served"],
      ["out", "no-open", "a page that is written to a file is never opened"],
      ["file", "store", "a timeline from a file needs no store"],
      ["file", "workflows", "a timeline from a file holds its workflow"],
    ],
  ),
  command(
    "sweeper",
    [],
    "Check runs that are due for it and repair them",
    runSweeper,
    {
      interval: { value: "seconds", help: "Seconds between sweeps (default: 300)", counts: [1, 86_400] },
      once: { help: "Sweep once and exit; exit code 1 when a run cannot be read" },
      run: { value: "id", help: "Only this run, whether it is due or not, and exit" },
      report: { help: "Only report, change nothing, and exit" },
      tasks: { help: "Also read the whole task log for tasks that no index key leads to" },
      prefix: { value: "text", help: "Only ids that begin with this" },
      limit: { value: "n", help: "Most runs that one sweep acts on (default: 1000)", counts: [1] },
    },
    ["--once", "--report --json", "--interval 60", "--run order-123"],
    [
      ["once", "interval", "one sweep has no next one"],
      ["report", "interval", "a report is one sweep"],
      ["report", "tasks", "a report changes nothing, and only a repair reads the task log"],
      ["run", "report", "the run is repaired; status shows its state"],
      ...["once", "interval", "tasks", "prefix", "limit"].map(
        (other) => ["run", other, "only this run is checked, once"] as const,
      ),
    ],
  ),
  command(
    "explore",
    ["<workflow>"],
    "Walk every state that a workflow can reach, and show the shortest path that breaks a rule",
    exploreWorkflow,
    {
      faults: {
        value: "n",
        help: "Most faults on one path: failures, lost workers, cancels … (default: 2)",
        counts: [0],
      },
      limit: { value: "n", help: "Most states (default: 500000)", counts: [1] },
      symmetry: { help: "Walk interchangeable steps in one order only" },
      "with-operator": { help: "Also terminate, and retry failed runs" },
      rules: { value: "export", help: "The module's options of explore: signals, outputs, always, finally …" },
      out: { value: "file", help: "Write the first counterexample as a timeline, for inspect --file" },
      test: { value: "file", help: "Write the first counterexample as a vitest file" },
    },
    [
      "order_fulfillment --workflows ./workflows.js",
      "etl --workflows ./etl.js --faults 1 --out timeline.json",
      "order --workflows ./orders.js --rules orderRules --test order-rules.test.ts",
    ],
  ),
  command("doctor", [], "Test a store: races, conditions, lists; exit code 1 when runs could be lost", runDoctor, {}, [
    "--store 's3://my-bucket?endpoint=https://s3.example.com'",
  ]),
];
