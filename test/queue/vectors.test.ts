/** What the real buquet made of given inputs, row by row. */
import { readdirSync, readFileSync } from "node:fs";
import { isLosslessNumber } from "lossless-json";
import { expect, test } from "vitest";
import {
  idempotencyKey,
  leaseKey,
  minuteOf,
  readyKey,
  shardOf,
  signalKey,
  signalsPrefix,
  taskKey,
} from "../../src/keys.ts";
import { backoffMs } from "../../src/wire/backoff.ts";
import { inputHash, keyDigest, scopeName } from "../../src/queue/idempotency.ts";
import { canonicalUuid, millisOf, taskCodec } from "../../src/queue/task.ts";
import { signalCodec } from "../../src/run/inbox.ts";
import { canonicalJson } from "../../src/wire/canonical.ts";
import { definitionHash } from "../../src/wire/hash.ts";
import { formatInstant, formatOpaque, parseInstant } from "../../src/wire/instant.ts";
import { parseJson, stringifyJson } from "../../src/wire/json.ts";
import { canonicalNumber, floatText } from "../../src/wire/number.ts";
import { golden, goldenObject, vectors } from "../golden.ts";
import { ID, makeBench } from "./fixtures.ts";
import { stored } from "../stored.ts";

interface ShardRow {
  id: string;
  shard_prefix_len: number;
  task_key?: string;
  shard?: string;
}

test.each(vectors<ShardRow>("shard"))("files $id under its first digit (prefix $shard_prefix_len)", (row) => {
  const id = canonicalUuid(row.id);
  expect(id === undefined).toBe(row.task_key === undefined);
  if (id === undefined || row.shard === undefined) return;
  // Longer prefixes are not offered: monitors of buquet look at shards of one digit only (C-15).
  if (row.shard_prefix_len === 1) expect([taskKey(id), shardOf(id)]).toEqual([row.task_key, row.shard]);
  else expect(row.shard.startsWith(shardOf(id)) && row.task_key?.endsWith(`/${id}.json`)).toBe(true);
});

interface PrefixRow {
  shard_prefix_len: number | null;
  shards: number;
  first: string[];
  last: string;
}

test.each(vectors<PrefixRow>("shard_prefix_len").filter((row) => row.shards === 16))(
  "has the sixteen shards of prefix length $shard_prefix_len",
  ({ first, last }) => {
    const ids = [..."0123456789abcdef"].map((digit) => ID.replace("a", digit));
    expect(ids.map(shardOf).slice(0, 3)).toEqual(first);
    expect(ids.map(shardOf).at(-1)).toBe(last);
  },
);

function reversed(value: unknown): unknown {
  if (typeof value !== "object" || value === null || isLosslessNumber(value)) return value;
  if (Array.isArray(value)) return value.map(reversed);
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([name, member]) => [name, reversed(member)]),
  );
}

interface IdempotencyRow {
  task_type: string;
  key: string;
  scope: string | null;
  record_key: string;
  key_hash: string;
  input_hash: string;
  input_text: string;
}

test.each(vectors<IdempotencyRow>("idempotency"))("hashes the key $key in scope $scope and $input_text", (row) => {
  const scope = scopeName(row.scope ?? undefined, row.task_type);
  const digest = keyDigest(scope, row.key);
  expect(`sha256:${digest}`).toBe(row.key_hash);
  expect(idempotencyKey(scope, digest)).toBe(row.record_key);
  const input = parseJson(row.input_text);
  expect(canonicalJson(input)).toBe(row.input_text);
  expect(inputHash(input)).toBe(row.input_hash);
  expect(inputHash(reversed(input)), "the order of members does not count").toBe(row.input_hash);
});

test.each(vectors<{ python_repr: string; written: string }>("float_text"))("prints the float $python_repr", (row) => {
  expect(floatText(Number(row.python_repr))).toBe(row.written);
});

test.each(vectors<{ text: string; written_back?: string }>("json_number_read_write"))(
  "reads the number $text",
  (row) => {
    if (row.written_back === undefined) expect(() => canonicalNumber(row.text)).toThrow(/larger than any float/);
    else expect(canonicalNumber(row.text)).toBe(row.written_back);
    // What is only carried along keeps its text.
    expect(stringifyJson(parseJson(`{"n":${row.text}}`))).toBe(`{"n":${row.text}}`);
  },
);

test.each(vectors<{ text_read: string; text_written_back: string }>("float_reparse_drift"))(
  "drifts from $text_read as buquet's reader does",
  (row) => {
    expect(canonicalNumber(row.text_read)).toBe(row.text_written_back);
  },
);

test("lets go of the digits that do not fit into 64 bits, as buquet's reader does", () => {
  const text = "0.940204402044020440204402";
  expect(canonicalNumber(text)).toBe(floatText(Number(9_402_044_020_440_204_402n) / 1e19));
  expect(canonicalNumber(text)).not.toBe(floatText(Number(text)));
});

test.each(vectors<{ text: string; accepted: boolean; written_back?: string }>("instant_read_write"))(
  'takes "$text" for an instant or not',
  (row) => {
    const read = parseInstant(row.text);
    expect(read !== undefined).toBe(row.accepted);
    if (read === undefined || row.written_back === undefined) return;
    expect(read.text).toBe(row.text);
    // Ours are of whole milliseconds, and a leap second is the second after it.
    if (row.written_back.includes(":60Z")) expect(formatInstant(read.ms)).toBe("2026-01-28T12:01:00Z");
    else expect(formatInstant(read.ms)).toBe(row.written_back.replace(/(\.\d{3})\d+Z$/u, "$1Z"));
  },
);

interface ReadyRow {
  available_at_written: string;
  bucket: string;
  ready_key_template: string;
}

test.each(vectors<ReadyRow>("ready_key"))("files what is due at $available_at_written under $bucket", (row) => {
  const at = millisOf(row.available_at_written);
  expect(minuteOf(at)).toBe(row.bucket);
  expect(readyKey(ID, at)).toBe(row.ready_key_template.replace("{shard}", "a").replace("{task_id}", ID));
});

test.each(vectors<{ lease_key: string; task_golden: string }>("lease_key"))(
  "files the lease of $task_golden",
  (row) => {
    const { key, body } = goldenObject("tasks", row.task_golden.replace(/^tasks\/|\.json$/gu, ""));
    const task = taskCodec.decode(body, key);
    expect(leaseKey(task.id, millisOf(task.lease_expires_at ?? ""))).toBe(row.lease_key);
  },
);

test.each([
  ["ready-pending-plain", "pending-plain"],
  ["ready-after-retry", "pending-after-retry"],
  ["ready-scheduled", "pending-all-options"],
  ["ready-replayed", "pending-replayed"],
  ["lease-running", "running"],
  ["lease-extended", "running-extended"],
])("computes the recorded index key %s from the task %s", (index, name) => {
  const { key, body } = goldenObject("tasks", name);
  const task = taskCodec.decode(body, key);
  const computed =
    task.lease_expires_at === null
      ? readyKey(task.id, millisOf(task.available_at))
      : leaseKey(task.id, millisOf(task.lease_expires_at));
  expect(computed).toBe(goldenObject("index", index).key);
});

interface BackoffRow {
  initial_interval_ms: number;
  max_interval_ms: number;
  multiplier: number;
  delay_ms_by_retry_count: Record<string, number>;
}

test.each(vectors<BackoffRow>("retry_backoff_no_jitter_ms"))(
  "backs off from $initial_interval_ms ms by $multiplier up to $max_interval_ms ms",
  (row) => {
    const policy = {
      initialMs: row.initial_interval_ms,
      maxMs: row.max_interval_ms,
      multiplier: row.multiplier,
      jitter: 0,
    };
    for (const [retries, delay] of Object.entries(row.delay_ms_by_retry_count))
      expect(
        backoffMs(policy, Number(retries), () => 0.5),
        `after ${retries} retries`,
      ).toBe(delay);
  },
);

interface JitterRow {
  jitter_percent_given: number;
  retry_count: number;
  min_seen: number;
  max_seen: number;
}

test.each(vectors<JitterRow>("retry_backoff_jitter_range_ms"))(
  "jitters by $jitter_percent_given after $retry_count retries",
  (row) => {
    const policy = { initialMs: 1_000, maxMs: 60_000, multiplier: 2, jitter: row.jitter_percent_given };
    const least = backoffMs(policy, row.retry_count, () => 0);
    const most = backoffMs(policy, row.retry_count, () => 1 - Number.EPSILON);
    // 4,000 samples come within a thousandth of the ends.
    expect(least).toBeLessThanOrEqual(row.min_seen);
    expect(most).toBeGreaterThanOrEqual(row.max_seen);
    expect(row.min_seen - least).toBeLessThanOrEqual(most / 1_000);
    expect(most - row.max_seen).toBeLessThanOrEqual(most / 1_000);
  },
);

interface HashRow {
  name: string;
  steps: { name: string; depends_on: string[] }[];
  python: string;
}

test.each(vectors<HashRow>("definition_hash"))("hashes the definition $name as Python does", (row) => {
  expect(definitionHash(row.steps.map((step) => ({ name: step.name, dependsOn: step.depends_on })))).toBe(row.python);
});

interface SignalRow {
  workflow_id: string;
  name: string;
  now: string;
  signal_id: string;
  key: string;
  body: string;
}

test.each(vectors<SignalRow>("signal_key"))("files a signal sent at $now", (row) => {
  expect(signalKey(row.workflow_id, row.name, `${row.now}_${row.signal_id}.json`)).toBe(row.key);
  expect(signalCodec.decode(row.body, row.key)).toMatchObject({ id: row.signal_id, payload: stored({ n: row.now }) });
  // Ours have whole milliseconds and never the `Z` that sorts behind everything of its second.
  const at = parseInstant(row.now)?.ms ?? 0;
  if (!row.now.endsWith("Z")) expect(formatOpaque(at)).toBe(row.now.replace(/(\.\d{3})\d+\+/u, "$1+"));
});

test.each(golden("signals"))("reads the recorded signal $name", ({ key, body }) => {
  const { id, payload } = signalCodec.decode(body, key);
  expect({ id, payload }).toEqual({
    id: key.slice(-41, -5),
    payload: stored((JSON.parse(body) as { payload: unknown }).payload),
  });
});

test("lists signals in the order in which buquet does, and behind a cursor what buquet does", async () => {
  const order = vectors<string>("signal_list_order");
  const bench = makeBench();
  const prefix = signalsPrefix("wf-1", "approve");
  for (const segment of [...order].toReversed()) await bench.store.put(prefix + segment, "{}", "always");
  const listed = async (cursor: string | null): Promise<string[]> => {
    const page = await bench.store.list(prefix, cursor === null ? {} : { after: prefix + cursor });
    return page.objects.map(({ key }) => key.slice(prefix.length));
  };
  expect(await listed(null)).toEqual(order);
  for (const row of vectors<{ cursor: string | null; count: number; next: string | null }>("signal_cursor")) {
    const found = await listed(row.cursor);
    expect([found.length, found[0] ?? null], `cursor ${row.cursor}`).toEqual([row.count, row.next]);
  }
});

/** Sections about things that this package does not do yet. */
const NOT_YET: Readonly<Record<string, string>> = {
  cron_next_run: "there are no schedules yet",
};

test("every section of the vectors is read by a test", () => {
  const sections = Object.keys(JSON.parse(readFileSync("test/golden/vectors.json", "utf8")) as object);
  const tests = readdirSync("test", { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".test.ts"))
    .map((file) => readFileSync(`test/${file}`, "utf8"))
    .join("\n");
  const asked = [...tests.matchAll(/\bvectors<[^"]*>\("(\w+)"\)/gu)].map((match) => match[1]);
  const unread = sections.filter((name) => !name.startsWith("_") && !asked.includes(name));
  console.log(`vectors read: ${asked.toSorted().join(", ")}; not yet: ${Object.keys(NOT_YET).join(", ")}`);
  expect(unread).toEqual(Object.keys(NOT_YET));
});
