/** `next`: what can happen to a run next, and where it leads. */
import type { Preview, RunNext } from "../index.ts";
import type { ParsedArguments } from "./arguments.ts";
import { coloured, print, printable, printJson, table } from "./output.ts";
import { openSession } from "./session.ts";

/** `next`: a row for each thing that can happen. */
export async function showNext(args: ParsedArguments): Promise<number> {
  await using session = await openSession(args);
  const [id = ""] = args.values;
  const next = await session.client.next(id);
  if (args.has("json")) return printJson(next);
  print(`${printable(next.id)}  ${coloured(next.status)}`);
  const rows = rowsOf(next);
  print(rows.length === 0 ? "nothing can happen any more" : table(["WHEN", "WHAT", "THEN", "STATUS"], rows));
  return 0;
}

function rowsOf(next: RunNext): readonly (readonly string[])[] {
  const row = (what: string, leads: Preview, at = ""): string[] => [
    printable(at),
    printable(what),
    printable(thenOf(leads)),
    coloured(leads.status),
  ];
  return [
    ...(next.start === undefined ? [] : [row("a worker starts it", next.start)]),
    ...next.signals.flatMap(({ signal, step, schema, leads, deadline }) => [
      row(`signal ${signal}${step === signal ? "" : ` for ${step}`}${shapeOf(schema)}`, leads),
      ...(deadline === undefined ? [] : [row(`no signal ${signal} came`, deadline.leads, deadline.at)]),
    ]),
    ...next.timers.map(({ step, at, leads }) => row(`the delay of ${step} is over`, leads, at)),
    ...next.steps.flatMap(({ step, kind, completed, failed }) => {
      const name = kind === "run" ? step : `the undo of ${step}`;
      return [row(`${name} completes`, completed), row(`${name} fails for good`, failed)];
    }),
    ...next.commands.map(({ command, step, leads }) =>
      row([command, ...(step === undefined ? [] : [step])].join(" "), leads),
    ),
  ];
}

/** Names of what an object takes; the whole schema is in `--json`. */
function shapeOf(schema: unknown): string {
  const properties = (schema as { properties?: unknown } | undefined)?.properties;
  return typeof properties === "object" && properties !== null ? ` { ${Object.keys(properties).join(", ")} }` : "";
}

function thenOf({ starts, undoes, waits, delays }: Preview): string {
  const parts: readonly [string, readonly string[]][] = [
    ["starts", starts],
    ["undoes", undoes],
    ["waits for", waits],
    ["delays", delays],
  ];
  return parts
    .filter(([, names]) => names.length > 0)
    .map(([verb, names]) => `${verb} ${names.join(", ")}`)
    .join("; ");
}
