/**
 * Writes docs/stores.md: what `doctor --json` says of every S3 server that is installed here, and what the tests of whole runs said.
 *
 *   bash .ci/setup-servers.sh moto versitygw minio s3s seaweedfs radosgw
 *   npm run chaos -- --minutes 5 --servers moto,versitygw,minio,radosgw
 *   export SERVERS=moto,versitygw,minio,s3s,seaweedfs,radosgw
 *   npx vitest run test/e2e test/store/conformance-races.test.ts --reporter=json --outputFile=.cache/whole-runs.json
 *   npm run docs:stores
 */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import type { Checkup } from "../src/cli/doctor.ts";
import {
  bestKind,
  type BucketKind,
  bucketKinds,
  chosenServers,
  openServer,
  type Server,
  type ServerName,
} from "../test/store/fixtures/servers.ts";

interface Examined {
  readonly server: ServerName;
  readonly version: string;
  readonly kind: BucketKind;
  readonly checkup: Checkup;
}

/** A report of vitest. */
interface Report {
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

/** What `npm run chaos` leaves. */
interface Chaos {
  readonly server: string;
  readonly version: string;
  readonly bucket: BucketKind;
  readonly at: string;
  readonly minutes: number;
  readonly seed: number;
  readonly runs: number;
  readonly kills: number;
  readonly freezes: number;
  readonly faults: number;
  readonly problems: readonly string[];
}

/** The command line itself, as a user calls it. It ends with 1 where a store is refused, and says why all the same. */
function doctor(server: Server, url: string): Checkup {
  const words = ["--import", "tsx", "src/cli/main.ts", "doctor", "--json", "--store", url];
  const env = { ...process.env, ...server.env, NODE_NO_WARNINGS: "1" };
  try {
    return JSON.parse(execFileSync(process.execPath, words, { env, encoding: "utf8", stdio: "pipe" })) as Checkup;
  } catch (error) {
    return JSON.parse((error as { stdout: string }).stdout) as Checkup;
  }
}

async function examine(): Promise<readonly Examined[]> {
  const examined: Examined[] = [];
  for (const name of chosenServers()) {
    const opened = await openServer(name);
    if (opened.kind === "absent") continue;
    const { server } = opened;
    for (const kind of bucketKinds(name)) {
      const checkup = doctor(server, await server.bucket(`stores-${kind}`, kind));
      examined.push({ server: name, version: server.version, kind, checkup });
    }
    await server.stop();
  }
  return examined;
}

/** All reports in .cache whose name begins so: servers may be tried one after the other. */
function readReports<T>(name: string): readonly T[] {
  return readdirSync(".cache")
    .filter((file) => file.startsWith(name) && file.endsWith(".json"))
    .map((file) => JSON.parse(readFileSync(`.cache/${file}`, "utf8")) as T);
}

const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
const grid = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");

function countOf(reports: readonly Report[], what: RegExp): string {
  const results = reports.flatMap(({ testResults }) => testResults.flatMap(({ assertionResults }) => assertionResults));
  const found = results.filter(({ fullName, status }) => what.test(fullName) && status !== "skipped");
  if (found.length === 0) return "not run";
  const passed = found.filter(({ status }) => status === "passed").length;
  return passed === found.length ? `all ${passed}` : `${passed} of ${found.length}`;
}

function chaosOf(all: readonly Chaos[], { server, kind, version }: Examined): string {
  const one = all
    .filter((chaos) => chaos.server === server && chaos.bucket === kind && chaos.version === version)
    .toSorted((some, other) => other.at.localeCompare(some.at))[0];
  if (one === undefined) return "–";
  const wrong = one.problems.length === 0 ? "nothing wrong" : `${one.problems.length} things wrong`;
  return `${wrong}: ${one.minutes} min, ${one.runs} runs, ${one.kills} kills, ${one.freezes} freezes, ${one.faults} faults`;
}

function verdict({ checkup }: Examined): string {
  return checkup.safe ? "safe" : "**refused**";
}

function page(examined: readonly Examined[], reports: readonly Report[], chaos: readonly Chaos[]): string {
  const title = ({ server, kind }: Pick<Examined, "server" | "kind">): string => `${server}, ${kind}`;
  const cases = examined[0]?.checkup.results.map(({ name }) => name) ?? [];
  const wholeRuns = (one: Examined, what: RegExp): string =>
    countOf(reports, new RegExp(`${what.source} ${one.server}\\b`));
  const stores = examined.map((one, index) => {
    // Whole runs are tried on one kind of bucket of each server. Chaos takes moto's plain one: see there.
    const ranHere = bestKind(one.server) === one.kind;
    const [ends, races] = [/from end to end on/, /s3 on/].map((what) => (ranHere ? wholeRuns(one, what) : "–"));
    return [
      `${title(one)} (${index + 1})`,
      one.version,
      one.checkup.at.slice(0, 10),
      verdict(one),
      ends ?? "",
      races ?? "",
      chaosOf(chaos, one),
    ];
  });
  const rows = cases.map((name) => [
    name,
    ...examined.map(({ checkup }) => {
      const result = checkup.results.find((one) => one.name === name);
      if (result?.ok === true) return "ok";
      return result?.optional === true ? "no" : "**fails**";
    }),
  ]);
  const reasons = examined.flatMap((one) =>
    one.checkup.results
      .filter(({ ok }) => !ok)
      .map(({ name, reason, means, optional }) => {
        const said = reason
          .replace(/s3:\/\/\S+/g, "the store")
          .replace(/x-workflow\/doctor\/[^/]+/g, "…")
          .slice(0, 160);
        return `- *${title(one)}*, ${name}: ${said.replaceAll("|", "\\|").replace(/\.$/, "")}. ${optional ? `It does not matter: ${means}` : `So ${means || "it must not be used"}`}.`;
      }),
  );
  return `# Which stores were tried

Made by \`npm run docs:stores\` from \`doctor --json\` on each server, the end-to-end suite and the chaos run. **AWS itself was never used**, nor any other store in a cloud: no request of this project ever left the machine. Before you trust a store that is not here, or another version of one that is, run \`doctor\` against a bucket on it: it races the conditions that everything rests on and ends with 1 where the store must not be used.

${grid(["bucket", "version", "date", "doctor", "end to end", "races of processes", "chaos"], stores)}

Servers call themselves ${[...new Map(examined.map((one) => [one.server, `${one.server} ${one.checkup.server === null ? "nothing" : `\`${one.checkup.server}\``}`])).values()].join(", ")}: most do not tell the version, and some call themselves \`AmazonS3\`. So a store is judged by what it does: by \`doctor\`, and in short whenever a bucket is opened (\`src/store/probe.ts\`). What is refused here is refused there too.

What was run: a fleet of three worker processes on each, killed with \`kill -9\` and frozen, behind a proxy that cuts replies, delays them and answers with errors, with runs that fail, wait, are cancelled and paused; afterwards every run had to have ended right, with one result a step, each effect done or undone as it must be, and nothing left under the index keys (\`test/fleet/chaos.ts\`, \`test/e2e/\`). moto looks through all versions of a bucket for each list of them, so that its chaos ran on a plain one.

## What to know

- **moto** looks first and writes later, in threads: of eight creators at once two now and then both win (1 of 200 races). Here it answers one request after the other (\`test/store/fixtures/moto-server.py\`). It is for tests, not for work.
- **versitygw** on a bucket with versions judges conditions behind a delete marker by the version before it: what was deleted could come back. Such a bucket is refused when it is opened; take one without versions.
- **radosgw** 16 keeps no condition in a bucket with versions. It is refused when it is opened; take one without.
- **s3s** looks first and writes later: of eight changers at once all win. It is refused when it is opened. Of the end-to-end cases that failed on it four only met the warning that it does not say whether it keeps versions.
- **SeaweedFS** lists folder by folder and not in the order of keys, which we rely on. It is refused when it is opened.
- **rclone serve s3** (1.75.2, tried by hand) ignores conditions: eight of eight creators win. What ignores them is refused when it is opened.

## Case by case

The numbers are those of the buckets above.

${grid(["case", ...examined.map((_, index) => String(index + 1))], rows)}

${reasons.join("\n")}

The commands that make this page stand at the top of \`bench/stores.ts\`. CI runs the conformance, race and end-to-end suites and five minutes of chaos on moto, versitygw and MinIO each time.
`;
}

const reports = readReports<Report>("whole-runs");
const chaos = readReports<readonly Chaos[]>("chaos").flat();
writeFileSync("docs/stores.md", page(await examine(), reports, chaos));
