/** What every command needs: the open store, and the workflows of the given modules. */
import { createRequire } from "node:module";
import { dirname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { z } from "zod";
import { WorkflowClient } from "../client/client.ts";
import { connect } from "../client/connect.ts";
import type { OpenOptions } from "../store/open.ts";
import type { QueueHandle } from "../queue/handle.ts";
import type { AnyWorkflow } from "../define/workflow.ts";
import { WorkflowError } from "../errors.ts";
import type { ParsedArguments } from "./arguments.ts";
import { parsePlainJson } from "../wire/json.ts";
import { createLogger, nodeHost } from "../host/node.ts";
import { reasonOf } from "../host/error-data.ts";

/** An open store with a client. */
export interface Session extends AsyncDisposable {
  readonly handle: QueueHandle;
  readonly client: WorkflowClient;
  readonly workflows: readonly AnyWorkflow[];
}

/**
 * Opens what the options name. Log lines go to standard error. A folder that is not there is refused, unless the command may be the first
 * to write there.
 */
export async function openSession(args: ParsedArguments, options: OpenOptions = {}): Promise<Session> {
  const logger = createLogger({
    level: "info",
    format: args.has("json") ? "json" : "text",
    write: (record) => process.stderr.write(`${record}\n`),
  });
  const workflows = await loadWorkflows(args.texts("workflows"));
  const handle = await connect(args.text("store"), { host: nodeHost({ logger }), create: false, ...options });
  const client = new WorkflowClient(handle, { workflows });
  return { handle, client, workflows, [Symbol.asyncDispose]: () => handle.close() };
}

/** Something that a module exports. */
export interface Exported {
  readonly module: string;
  readonly name: string;
  readonly value: unknown;
}

/** Everything that modules export. @throws {WorkflowError} `invalid` when one cannot be loaded */
export async function loadExports(modules: readonly string[]): Promise<readonly Exported[]> {
  const found: Exported[] = [];
  for (const module of modules) {
    const loaded = (await importModule(resolve(module)).catch((error: unknown) => {
      throw new WorkflowError("invalid", `${module} cannot be loaded: ${reasonOf(error)}`, { cause: error });
    })) as Record<string, unknown>;
    found.push(...Object.entries(loaded).map(([name, value]) => ({ module, name, value })));
  }
  return found;
}

const TYPESCRIPT = /\.[cm]?tsx?$/;

/**
 * Imports a module. One in TypeScript needs a Node that reads it (22.18 or later) or `tsx` where the module is installed.
 * @throws {WorkflowError} `invalid` when there is neither.
 */
async function importModule(path: string): Promise<Record<string, unknown>> {
  const { typescript } = process.features as { readonly typescript?: string | false };
  // Before the import: an import that failed fails again, whatever was registered since.
  if (TYPESCRIPT.test(path) && typeof typescript !== "string") await registerTsx(path);
  return (await import(pathToFileURL(path).href)) as Record<string, unknown>;
}

/** The loader of tsx, as its own manifest names it: what `require` would find registers a file that is not there. */
const tsxManifest = z.object({
  exports: z.object({ "./esm/api": z.object({ import: z.object({ default: z.string() }) }) }),
});

async function registerTsx(path: string): Promise<void> {
  const require = createRequire(path);
  let manifest: string;
  try {
    manifest = require.resolve("tsx/package.json");
  } catch (cause) {
    const message = `this Node (${process.version}) reads no TypeScript; use Node 22.18 or later, install tsx, or name a JavaScript file`;
    throw new WorkflowError("invalid", message, { cause });
  }
  const { exports } = tsxManifest.parse(require(manifest));
  const entry = resolve(dirname(manifest), exports["./esm/api"].import.default);
  const { register } = (await import(pathToFileURL(entry).href)) as { register(): unknown };
  register();
}

/** The workflows that modules export. @throws {WorkflowError} `invalid` */
export async function loadWorkflows(modules: readonly string[]): Promise<readonly AnyWorkflow[]> {
  const found = (await loadExports(modules)).flatMap(({ value }) => value).filter(isWorkflow);
  if (modules.length > 0 && found.length === 0) {
    throw new WorkflowError("invalid", `${modules.join(", ")} export no workflow; export what workflow(…) returns`);
  }
  // One workflow may be exported under two names; two of one name are refused by whoever is given them.
  return [...new Set(found)];
}

/** Whether a value is what `workflow(…)` returns. */
export function isWorkflow(value: unknown): value is AnyWorkflow {
  return typeof value === "object" && value !== null && "planHash" in value && "handlers" in value && "plan" in value;
}

/** Reads an argument that is JSON. @throws {WorkflowError} `invalid` */
export function parseArgument(what: string, text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return parsePlainJson(text);
  } catch (error) {
    throw new WorkflowError("invalid", `${what} is not JSON: ${reasonOf(error)}`, { cause: error });
  }
}
