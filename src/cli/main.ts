#!/usr/bin/env node
/** The command line. Every command is one function; this file only says what there is and how errors end the process. */
import { cac } from "cac";
import { WorkflowError } from "../errors.ts";
import { cancelRun, pauseRun, resumeRun, signalRun, startCommand } from "./steer.ts";
import { listRuns, showStatus, showSteps, watchRun } from "./look.ts";
import { runDoctor, runSweeper, runWorker } from "./operate.ts";
import { fail, unexpected } from "./output.ts";

const cli = cac("buquet-workflow");

const common = (command: ReturnType<typeof cli.command>): ReturnType<typeof cli.command> =>
  command
    .option(
      "--store <url>",
      "Bucket or folder: file:path, s3://bucket?endpoint=… (default: environment, .buquet.toml, else file:.buquet)",
    )
    .option("--workflows <module>", "Module that exports workflows (repeatable)")
    .option("--json", "Print JSON");

common(cli.command("worker", "Run steps until the process is told to stop"))
  .option("--concurrency <n>", "Chains at once", { default: 10 })
  .option("--poll <duration>", "How often an idle worker looks for work", { default: "5s" })
  .option("--lease <duration>", "How long a task is held between heartbeats", { default: "30s" })
  .example("  buquet-workflow worker --workflows ./workflows.js")
  .action(runWorker);
common(cli.command("start <workflow> [input]", "Start a run; the input is JSON"))
  .option("--id <id>", "Id of the run (default: wf- and a ULID)")
  .option("--wait", "Wait until it is over")
  .option("--version <label>", "Not there yet: a version label for the run")
  .example('  buquet-workflow start order_fulfillment \'{"order_id":"123"}\' --wait')
  .action(startCommand);
common(cli.command("status <id>", "Show a run, and why it does not move")).action(showStatus);
common(cli.command("steps <id>", "Show the steps of a run")).action(showSteps);
common(cli.command("list", "List runs"))
  .option("--type <name>", "Only runs of this workflow")
  .option("--status <status>", "Only runs with this status")
  .option("--prefix <text>", "Only ids that begin with this")
  .option("--limit <n>", "Most runs", { default: 100 })
  .action(listRuns);
common(cli.command("watch <id>", "Follow a run until it is over")).action(watchRun);
common(cli.command("signal <id> <name> [payload]", "Send a signal; the payload is JSON"))
  .example('  buquet-workflow signal wf-1 approval \'{"approver":"manager@example.com"}\'')
  .action(signalRun);
common(cli.command("cancel <id>", "Stop a run and undo what it did"))
  .option("--reason <text>", "Why")
  .option("--no-compensate", "Undo nothing")
  .action(cancelRun);
common(cli.command("pause <id>", "Start nothing new until resume")).option("--reason <text>", "Why").action(pauseRun);
common(cli.command("resume <id>", "Go on; held steps are tried again"))
  .option("--force-version", "Not there yet: go on under another definition")
  .action(resumeRun);
common(cli.command("sweeper", "Look at runs that are due for it and repair them"))
  .option("--interval <seconds>", "Seconds between sweeps", { default: 300 })
  .option("--once", "Sweep once and exit")
  .option("--report", "Only report")
  .option("--stale-after <seconds>", "Accepted for compatibility; runs are found by their next look")
  .option("--prefix <text>", "Only ids that begin with this")
  .option("--limit <n>", "Most runs in one sweep", { default: 1000 })
  .action(runSweeper);
common(cli.command("doctor", "Race the conditions of a live store; refuses an unsafe one")).action(runDoctor);

cli.help();
cli.version("0.1.0");

/** Runs the program with these arguments. Exit codes: 0 done, 1 the run failed or the answer is no, 2 the call is wrong. */
export async function main(argv: readonly string[]): Promise<void> {
  try {
    cli.parse([...argv], { run: false });
    if (cli.matchedCommand === undefined) {
      if (cli.options["help"] === true || cli.options["version"] === true) return;
      if (cli.args.length > 0)
        fail(`there is no command ${JSON.stringify(cli.args[0])}; see buquet-workflow --help`, 2);
      cli.outputHelp();
      process.exitCode = 2;
      return;
    }
    await cli.runMatchedCommand();
  } catch (error) {
    if (error instanceof WorkflowError) fail(error.message, error.code === "invalid" ? 2 : 1);
    else if (error instanceof Error && error.name === "CACError") fail(error.message, 2);
    else unexpected(error);
  }
}

await main(process.argv);
