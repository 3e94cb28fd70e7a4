/**
 * Loaded into every process of an example before its program: kills it with SIGKILL at planned instants. Only the builtins of node are
 * wrapped, so the programs and the package run as they are.
 *
 * `KILL_PLAN` is a folder: `plan.json` holds the instants, and each fires once over all processes and restarts (`fired-N.json`).
 */
import fs, { readFileSync, writeFileSync, writeSync } from "node:fs";
import { ServerResponse } from "node:http";
import { syncBuiltinESMExports } from "node:module";
import { basename, join } from "node:path";

/** What is counted: files that a process puts in their place or deletes, locks it takes, requests it sends, answers it gives. */
export type KillPoint = "write" | "delete" | "lock" | "request" | "answer";

/** One instant: before or after the `nth` such call of one process whose subject holds `match`. */
export interface PlannedKill {
  /** The program that dies, by the name of its file. */
  readonly program: string;
  readonly point: KillPoint;
  readonly when: "before" | "after";
  readonly match: string;
  readonly nth: number;
}

/** What the victim said last. */
export interface FiredKill {
  readonly pid: number;
  /** What it was doing. */
  readonly subject: string;
  readonly atMs: number;
}

const folder = process.env["KILL_PLAN"];
const program = basename(process.argv[1] ?? "", ".ts");
if (folder !== undefined) install(folder);

function install(plans: string): void {
  const planned = (JSON.parse(readFileSync(join(plans, "plan.json"), "utf8")) as PlannedKill[]).map((kill, index) => ({
    ...kill,
    index,
    left: kill.nth,
  }));
  const mine = planned.filter((kill) => kill.program === program);

  function pass(point: KillPoint, when: "before" | "after", subject: string): void {
    for (const kill of mine) {
      if (kill.point !== point || kill.when !== when || !subject.includes(kill.match)) continue;
      kill.left -= 1;
      if (kill.left !== 0) continue;
      const fired: FiredKill = { pid: process.pid, subject, atMs: Date.now() };
      try {
        writeFileSync(join(plans, `fired-${kill.index}.json`), JSON.stringify(fired), { flag: "wx" });
      } catch {
        continue;
      }
      process.kill(process.pid, "SIGKILL");
      // The signal strikes when the kernel looks next; nothing may happen until then.
      for (;;) writeSync(2, "");
    }
  }

  function around<A extends unknown[], R>(
    point: KillPoint,
    call: (...args: A) => R,
    subjectOf: (...args: A) => string | undefined,
  ): (...args: A) => R {
    return (...args) => {
      const subject = subjectOf(...args);
      if (subject === undefined) return call(...args);
      pass(point, "before", subject);
      const result = call(...args);
      if (!(result instanceof Promise)) {
        pass(point, "after", subject);
        return result;
      }
      return result.then((value: unknown) => {
        pass(point, "after", subject);
        return value;
      }) as R;
    };
  }

  const placed = (from: unknown, to: unknown): string | undefined =>
    String(to).includes("/.locks/") ? undefined : String(to);
  fs.promises.rename = around("write", fs.promises.rename.bind(fs.promises), placed);
  fs.promises.link = around("lock", fs.promises.link.bind(fs.promises), (_from, to) =>
    String(to).includes("/.locks/") ? String(to) : undefined,
  );
  fs.promises.unlink = around("delete", fs.promises.unlink.bind(fs.promises), (path) =>
    /\/\.(tmp|locks|versions)\//.test(String(path)) ? undefined : String(path),
  );
  fs.renameSync = around("write", fs.renameSync.bind(fs), placed);
  syncBuiltinESMExports();

  globalThis.fetch = around("request", globalThis.fetch.bind(globalThis), (url, init) =>
    init?.method === "POST" ? `${String(url)} ${String(init.body)}` : undefined,
  );

  const end = ServerResponse.prototype.end as (this: unknown, ...args: unknown[]) => unknown;
  ServerResponse.prototype.end = function (this: ServerResponse, ...args: unknown[]) {
    pass("answer", "before", `${String(this.req.url)} ${this.statusCode}`);
    return end.apply(this, args) as never;
  } as typeof ServerResponse.prototype.end;
}
