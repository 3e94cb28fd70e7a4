#!/usr/bin/env node
/** The binary. */
import { isServiceCall, runCli } from "./cli.ts";
import { endProcess, guardStreams } from "./process.ts";

const words = process.argv.slice(2);
guardStreams(isServiceCall(words));
await endProcess(await runCli(words));
