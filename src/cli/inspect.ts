/** `inspect`: shows a run in the browser. */
import { readFile } from "node:fs/promises";
import { registeredDefinition } from "../define/registered.ts";
import { WorkflowError } from "../errors.ts";
import { nodeHost } from "../host/node.ts";
import { followTimeline } from "../inspect/history.ts";
import type { Site } from "../inspect/server.ts";
import { pageSite, statelySite, type Subject } from "../inspect/site.ts";
import { parseTimeline } from "../inspect/timeline-file.ts";
import { StoredPrograms } from "../programs/stored-programs.ts";
import { type ParsedArguments, UsageError } from "./arguments.ts";
import { openBrowser } from "./open-browser.ts";
import { print, printJson } from "./output.ts";
import { listenForStop } from "./process.ts";
import { serveSite } from "./serve.ts";
import { openSession, type Session } from "./session.ts";
import { writeOutput } from "./write.ts";

/** `inspect`: serves the page until the process is told to stop; with `--out` writes it down instead. */
export async function inspectRun(args: ParsedArguments): Promise<number> {
  const [id] = args.values;
  const file = args.text("file");
  if ((id === undefined) === (file === undefined))
    throw new UsageError("name a run, or a timeline with --file", "inspect");
  const port = args.count("port") ?? 0;
  await using session = id === undefined ? undefined : await openSession(args);
  const subject = session === undefined ? await fileSubject(file ?? "") : runSubject(session, id ?? "");
  const out = args.text("out");
  if (out !== undefined) return await writePage(subject, out, args);
  // Before anybody waits: a run that is not there is said at once.
  await subject.read();
  using stop = listenForStop();
  await using served = await serveSite(await siteOf(subject, args), port);
  if (args.has("json")) printJson({ url: served.url });
  else print(`${served.url}  (Ctrl-C ends it)`);
  if (process.stdout.isTTY && !args.has("no-open")) openBrowser(served.url);
  await stop.requested;
  return 0;
}

function runSubject({ handle, workflows }: Session, id: string): Subject {
  const { store, host } = handle.context;
  const programs = new StoredPrograms(store, host, workflows.map(registeredDefinition));
  return { read: followTimeline(store, id, { programs }), grows: true, host };
}

async function fileSubject(path: string): Promise<Subject> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    throw new WorkflowError("invalid", `${path} cannot be read: ${String(error)}`, { cause: error });
  });
  const timeline = parseTimeline(text, path);
  return { read: async () => timeline, grows: false, host: nodeHost() };
}

async function writePage(subject: Subject, out: string, args: ParsedArguments): Promise<number> {
  const site = await siteOf({ ...subject, grows: false }, args);
  await writeOutput(out, await site.html(site.nonce()));
  if (args.has("json")) return printJson({ file: out });
  print(out);
  return 0;
}

async function siteOf(subject: Subject, args: ParsedArguments): Promise<Site> {
  if (args.has("stately")) return statelySite(subject);
  const asset = (name: string): Promise<string> =>
    readFile(new URL(`../inspect/page/${name}`, import.meta.url), "utf8");
  return pageSite(subject, { style: await asset("page.css"), script: await asset("page.js") });
}
