/** The conformance suite of stores, as data without a test runner: for our stores, for yours, and for `doctor` on a live bucket. */
import { isWorkflowError } from "../errors.ts";
import type { ListOptions, ListPage, ObjectStore } from "../store/object-store.ts";
import { compareBytes } from "../store/order.ts";
import { isOrdered, listKeys, nextPage } from "../store/paging.ts";

/** A case of the conformance suite. */
export interface StoreCase {
  /** What a store must do, as a sentence. */
  readonly name: string;
  /** What happens to runs when it does not hold; undefined when the name says it. */
  readonly harm?: string;
  /** Why a store may fail it and still be used; undefined when it may not. */
  readonly optional?: string;
  /** Tries it under a prefix of its own. Throws an `Error` that says what is wrong. */
  run(context: { readonly store: ObjectStore; readonly prefix: string }): Promise<void>;
}

function equal(actual: unknown, expected: unknown, what: string): void {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what}: expected ${b}, got ${a}`);
}

async function bodyOf(store: ObjectStore, key: string): Promise<string | undefined> {
  const read = await store.get(key);
  return read.kind === "found" ? read.object.body : undefined;
}

async function stored(store: ObjectStore, key: string, body: string): Promise<string> {
  const put = await store.put(key, body, "always");
  if (put.kind !== "stored") throw new Error(`put of ${key}: ${put.kind}`);
  return put.etag;
}

async function keysOf(
  store: ObjectStore,
  prefix: string,
  options: { after?: string; limit?: number } = {},
): Promise<string[]> {
  const page = await store.list(prefix, options);
  const keys = page.objects.map((object) => object.key.slice(prefix.length));
  return isOrdered(store) ? keys : keys.toSorted(compareBytes);
}

async function isRefused(list: Promise<ListPage>, what: string): Promise<void> {
  const answer = await list.then(
    () => "a page",
    (error: unknown) => (isWorkflowError(error) ? error.code : String(error)),
  );
  equal(answer, "invalid", what);
}

const RACERS = 8;
/** Each lost put is a successful put of another racer, and there are fewer of those: more losses mean that nobody wins. */
const MOST_LOSSES = 200;
const NOBODY_WINS = `${MOST_LOSSES} puts in a row, each on the etag that a read had just given, were refused`;

/** The marks that one counter put: those that the store acknowledged, and those whose reply was lost. */
interface Counted {
  readonly acknowledged: string[];
  readonly unknown: string[];
}

/**
 * Increments a counter this many times. The object lists who counted, so that an increment whose reply was lost can be told from one that
 * never was.
 */
async function count(store: ObjectStore, key: string, counter: number, rounds: number): Promise<Counted> {
  const counted: Counted = { acknowledged: [], unknown: [] };
  let losses = 0;
  for (let tries = 0; counted.acknowledged.length < rounds; tries += 1) {
    const read = await store.get(key);
    if (read.kind === "missing") throw new Error("the counter is gone");
    const mark = `${counter}:${tries}`;
    const body = JSON.stringify([...(JSON.parse(read.object.body) as string[]), mark]);
    const put = await store.put(key, body, { match: read.object.etag });
    if (put.kind === "stored") counted.acknowledged.push(mark);
    if (put.kind === "unknown") counted.unknown.push(mark);
    losses = put.kind === "conflict" ? losses + 1 : 0;
    if (losses > MOST_LOSSES) throw new Error(NOBODY_WINS);
  }
  return counted;
}

/** Whether each acknowledged increment is there, and no other that is not at least in doubt. */
async function judgeCount(store: ObjectStore, key: string, all: readonly Counted[]): Promise<void> {
  const marks = JSON.parse((await bodyOf(store, key)) ?? "[]") as string[];
  const unknown = new Set(all.flatMap((one) => one.unknown));
  const certain = marks.filter((mark) => !unknown.has(mark));
  equal(certain.toSorted(), all.flatMap((one) => one.acknowledged).toSorted(), "the increments");
}

/**
 * What every store must do: a conformance suite for a store of your own, without a test runner. Each case needs a prefix of its own.
 *
 * @example
 * ```ts
 * const host = nodeHost();
 * const store = new MemoryStore({ clock: host.clock });
 * test.each(storeCases)("$name", ({ run }) => run({ store, prefix: `${host.random.uuid()}/` }));
 * ```
 */
export const storeCases: readonly StoreCase[] = [
  {
    name: "reads what was put, and says missing for what was not",
    async run({ store, prefix }) {
      equal((await store.get(`${prefix}a`)).kind, "missing", "a key that never was");
      await stored(store, `${prefix}a`, "one");
      equal(await bodyOf(store, `${prefix}a`), "one", "the body");
    },
  },
  {
    name: "keeps every character and empty bodies",
    async run({ store, prefix }) {
      for (const body of ["", 'ünï ☃ 🦀 \u2028 "\\', "x".repeat(1_000_000)]) {
        await stored(store, `${prefix}b`, body);
        equal((await bodyOf(store, `${prefix}b`)) === body, true, `a body of ${body.length} characters`);
      }
    },
  },
  {
    name: "takes keys with every sign that names may have",
    async run({ store, prefix }) {
      const keys = [
        "2026-11-24T01:02:03.5+00:00_x.json",
        "a b",
        "ü/☃",
        "__proto__",
        "1",
        "a.b",
        "#x?y=z&w",
        "%2e%2e",
        "...",
        "~(')!*",
        "UPPER",
        "upper",
      ];
      for (const key of keys) await stored(store, prefix + key, key);
      for (const key of keys) equal(await bodyOf(store, prefix + key), key, `the body of ${key}`);
      equal((await keysOf(store, prefix)).toSorted(), keys.toSorted(), "the list");
    },
  },
  {
    name: "puts if absent only once",
    harm: "the same run could be started twice, and the second start would wipe out the first",
    async run({ store, prefix }) {
      equal((await store.put(`${prefix}a`, "one", "absent")).kind, "stored", "the first");
      equal((await store.put(`${prefix}a`, "two", "absent")).kind, "conflict", "the second");
      equal(await bodyOf(store, `${prefix}a`), "one", "the body");
    },
  },
  {
    name: "puts on a match only with the current etag",
    harm: "two workers could both run a step, and the result of one be lost",
    async run({ store, prefix }) {
      const first = await stored(store, `${prefix}a`, "one");
      const second = await store.put(`${prefix}a`, "two", { match: first });
      equal(second.kind, "stored", "with the current etag");
      equal((await store.put(`${prefix}a`, "three", { match: first })).kind, "conflict", "with a stale etag");
      equal(await bodyOf(store, `${prefix}a`), "two", "the body");
    },
  },
  {
    name: "gives the same etag to a put and to a read",
    async run({ store, prefix }) {
      const etag = await stored(store, `${prefix}a`, "one");
      const read = await store.get(`${prefix}a`);
      equal(read.kind === "found" ? read.object.etag : "", etag, "the etag");
      equal(etag.includes('"'), false, "quotes in the etag");
    },
  },
  {
    name: "answers conflict to a match on a key that does not exist",
    harm: "what was deleted could come back",
    async run({ store, prefix }) {
      equal(
        (await store.put(`${prefix}a`, "one", { match: "0123456789abcdef0123456789abcdef" })).kind,
        "conflict",
        "the put",
      );
      equal((await store.get(`${prefix}a`)).kind, "missing", "the key");
    },
  },
  {
    name: "lets exactly one of many creators win",
    harm: "it looks first and writes later: two clients at once could start the same run twice",
    async run({ store, prefix }) {
      for (let round = 0; round < 5; round += 1) {
        const puts = await Promise.all(
          Array.from({ length: RACERS }, (_, racer) => store.put(`${prefix}${round}`, `racer ${racer}`, "absent")),
        );
        equal(puts.filter((put) => put.kind === "stored").length, 1, `winners of round ${round}`);
        const winner = puts.findIndex((put) => put.kind === "stored");
        equal(await bodyOf(store, `${prefix}${round}`), `racer ${winner}`, "the body");
      }
    },
  },
  {
    name: "lets exactly one of many changers win",
    harm: "it looks first and writes later: two workers at once could both run a step",
    async run({ store, prefix }) {
      let etag = await stored(store, `${prefix}a`, "start");
      for (let round = 0; round < 5; round += 1) {
        const match = etag;
        const puts = await Promise.all(
          Array.from({ length: RACERS }, (_, racer) => store.put(`${prefix}a`, `${round} ${racer}`, { match })),
        );
        const winners = puts.filter((put) => put.kind === "stored");
        equal(winners.length, 1, `winners of round ${round}`);
        etag = winners[0]?.kind === "stored" ? winners[0].etag : "";
      }
    },
  },
  {
    name: "loses no increment of a counter",
    harm: "results and signals that were acknowledged could be lost",
    async run({ store, prefix }) {
      const key = `${prefix}counter`;
      await stored(store, key, "[]");
      const all = await Promise.all(Array.from({ length: 4 }, (_, counter) => count(store, key, counter, 5)));
      await judgeCount(store, key, all);
    },
  },
  {
    name: "deletes quietly and lets the key be put again",
    async run({ store, prefix }) {
      await store.delete(`${prefix}a`);
      await stored(store, `${prefix}a`, "one");
      await store.delete(`${prefix}a`);
      await store.delete(`${prefix}a`);
      equal((await store.get(`${prefix}a`)).kind, "missing", "the deleted key");
      equal(await keysOf(store, prefix), [], "the list");
      await stored(store, `${prefix}a`, "two");
      equal(await bodyOf(store, `${prefix}a`), "two", "the body");
    },
  },
  {
    name: "takes one write after another of one key, however soon",
    async run({ store, prefix }) {
      let match = await stored(store, `${prefix}a`, "0");
      for (const body of ["1", "2"]) {
        const put = await store.put(`${prefix}a`, body, { match });
        equal(put.kind, "stored", `put ${body}`);
        match = put.kind === "stored" ? put.etag : "";
      }
      await stored(store, `${prefix}a`, "3");
      equal(await bodyOf(store, `${prefix}a`), "3", "the body");
    },
  },
  {
    name: "lists in the order of bytes, also across folders",
    harm: "what is due first could be found last",
    async run({ store, prefix }) {
      const keys = ["10", "9", "B", "a-1", "a.json", "a/1", "a0", "b/c/d", "~", "é", "\u{ff5e}", "\u{1f980}"];
      for (const key of keys.toReversed()) await stored(store, prefix + key, "");
      equal(await keysOf(store, prefix), keys, "the order");
    },
  },
  {
    name: "keeps a key beside keys that begin with it and a slash",
    optional: "no key of ours is the folder of another",
    async run({ store, prefix }) {
      const keys = ["a", "a/1", "a/b/c", "a/b"];
      for (const key of keys) await stored(store, prefix + key, key);
      for (const key of keys) equal(await bodyOf(store, prefix + key), key, `the body of ${key}`);
      equal(await keysOf(store, prefix), keys.toSorted(), "the list");
    },
  },
  {
    name: "lists by prefix, also inside a name",
    async run({ store, prefix }) {
      for (const key of ["run-1/x", "run-2/x", "rux/x", "other"]) await stored(store, prefix + key, "");
      equal(await keysOf(store, `${prefix}run-1/`), ["x"], "the list of a folder");
      equal(await keysOf(store, `${prefix}none/`), [], "a prefix that nothing has");
      if (!isOrdered(store)) return isRefused(store.list(`${prefix}run-`), "a list inside a name, without order");
      equal(await keysOf(store, `${prefix}run-`), ["1/x", "2/x"], "the list");
    },
  },
  {
    name: "lists after a key, whether it exists or not, page by page",
    harm: "runs and tasks could never be found",
    async run({ store, prefix }) {
      const keys = ["a/1", "a/2", "b/1", "c"];
      for (const key of keys) await stored(store, prefix + key, "");
      if (!isOrdered(store))
        return isRefused(store.list(prefix, { after: `${prefix}a/1` }), "a list after a key, without order");
      equal(await keysOf(store, prefix, { after: `${prefix}a/1` }), ["a/2", "b/1", "c"], "after a key that exists");
      equal(await keysOf(store, prefix, { after: `${prefix}a/9` }), ["b/1", "c"], "after one that does not");
      const page = await store.list(prefix, { limit: 3 });
      equal([page.objects.length, page.truncated], [3, true], "the first page");
      const rest = await store.list(prefix, { limit: 3, after: page.objects[2]?.key ?? "" });
      equal(
        [rest.objects.map((object) => object.key.slice(prefix.length)), rest.truncated],
        [["c"], false],
        "the last page",
      );
    },
  },
  {
    name: "keeps versions, newest first, where it says so",
    async run({ store, prefix }) {
      const key = `${prefix}a`;
      for (const body of ["one", "two", "three"]) await stored(store, key, body);
      const versions = await store.versions(key);
      if (!store.capabilities.versions) return equal(versions.length, 0, "versions without the capability");
      const bodies: (string | undefined)[] = [];
      for (const version of versions) {
        const read = await store.getVersion(key, version.versionId);
        bodies.push(read.kind === "found" ? read.object.body : undefined);
      }
      equal(bodies, ["three", "two", "one"], "the versions");
    },
  },
  {
    name: "keeps the id of a version, and marks a delete, where it has versions",
    async run({ store, prefix }) {
      if (!store.capabilities.versions) return;
      const key = `${prefix}a`;
      await stored(store, key, "one");
      const [first] = await store.versions(key);
      await stored(store, key, "two");
      await store.delete(key);
      const versions = await store.versions(key);
      equal(
        versions.map(({ deleted }) => deleted),
        [true, false, false],
        "which of them are deletes",
      );
      equal(versions[2]?.versionId, first?.versionId, "the id of the first version");
      equal((await store.getVersion(key, versions[0]?.versionId ?? "")).kind, "missing", "the content of a delete");
      const read = await store.getVersion(key, first?.versionId ?? "");
      equal(read.kind === "found" ? read.object.body : undefined, "one", "the first version");
    },
  },
  {
    name: "says missing for a version that never was",
    async run({ store, prefix }) {
      if (!store.capabilities.versions) return;
      await stored(store, `${prefix}a`, "one");
      await stored(store, `${prefix}b`, "two");
      const [other] = await store.versions(`${prefix}b`);
      equal((await store.getVersion(`${prefix}a`, other?.versionId ?? "")).kind, "missing", "a version of another key");
    },
  },
  {
    name: "gives a new etag to a new body, and in lists the one that a read gives",
    async run({ store, prefix }) {
      const first = await stored(store, `${prefix}a`, "one");
      const second = await stored(store, `${prefix}a`, "two");
      equal(first === second, false, "whether the etags are the same");
      const page = await store.list(prefix);
      equal(
        page.objects.map(({ etag }) => etag ?? second),
        [second],
        "the etag in the list",
      );
    },
  },
  {
    name: "refuses a match after a delete, and after the key was put again",
    harm: "what was deleted could come back",
    async run({ store, prefix }) {
      const key = `${prefix}a`;
      const match = await stored(store, key, "one");
      await store.delete(key);
      equal((await store.put(key, "two", { match })).kind, "conflict", "after the delete");
      equal((await store.put(key, "three", "absent")).kind, "stored", "a create after the delete");
      equal((await store.put(key, "four", { match })).kind, "conflict", "after it was put again");
      equal(await bodyOf(store, key), "three", "the body");
    },
  },
  {
    name: "pages through a list one key at a time",
    harm: "runs and tasks could never be found",
    async run({ store, prefix }) {
      const keys = ["a!", "a/1", "a/b/c", "b", "b!"];
      for (const key of keys) await stored(store, prefix + key, "");
      const seen: string[] = [];
      let from: ListOptions | undefined = {};
      for (let pages = 0; from !== undefined && pages <= keys.length; pages += 1) {
        const page: ListPage = await store.list(prefix, { limit: 1, ...from });
        seen.push(...page.objects.map(({ key }) => key.slice(prefix.length)));
        from = nextPage(page);
      }
      equal(isOrdered(store) ? seen : seen.toSorted(compareBytes), keys, "the keys");
      equal(from, undefined, "what comes behind the last page");
      equal(
        (await store.list(prefix, { limit: keys.length })).truncated,
        false,
        "whether there is more after all keys",
      );
      if (isOrdered(store)) equal(await keysOf(store, prefix, { after: `${prefix}zzz` }), [], "after the last key");
    },
  },
  {
    name: "gives every key of a folder to who follows its pages",
    async run({ store, prefix }) {
      const keys = Array.from({ length: 25 }, (_, index) => `${prefix}f/${index % 5}/${index}`).toSorted(compareBytes);
      for (const key of keys) await stored(store, key, "");
      const found: string[] = [];
      for await (const key of listKeys(store, `${prefix}f/`)) found.push(key);
      equal(found, keys, "the keys");
      const behind: string[] = [];
      for await (const key of listKeys(store, `${prefix}f/`, `${prefix}f/3`)) behind.push(key);
      equal(
        behind,
        keys.filter((key) => key > `${prefix}f/3`),
        "the keys behind one",
      );
    },
  },
  {
    name: "takes a body of four megabytes",
    async run({ store, prefix }) {
      const body = "0123456789abcdef".repeat(262_144);
      await stored(store, `${prefix}a`, body);
      equal((await bodyOf(store, `${prefix}a`)) === body, true, "whether the body is the same");
    },
  },
  {
    name: "knows what time it is",
    async run({ store, prefix }) {
      await store.get(`${prefix}a`);
      const { earliest, latest } = store.time();
      equal(earliest <= latest, true, "the bounds");
      equal(latest - earliest <= 5_000, true, `bounds that are ${latest - earliest} ms apart`);
    },
  },
];

/**
 * A race between processes, as data. Each process opens the store for itself and calls `act`; their answers (JSON) are passed
 * to `judge`, in any one process, which throws an `Error` that says what is wrong.
 */
export interface StoreRace {
  /** What a store must do, as a sentence. */
  readonly name: string;
  /** What one racer does, in a process of its own; its answer is JSON. */
  act(context: RaceContext & { readonly racer: number }): Promise<unknown>;
  /** Looks at the answers of all racers and at the store. Throws an `Error` that says what is wrong. */
  judge(context: RaceContext, answers: readonly unknown[]): Promise<void>;
}

/** Where a race takes place. The prefix is new for each race. */
export interface RaceContext {
  /** The store, opened by this process. */
  readonly store: ObjectStore;
  /** Where the race works; the same for all racers, and empty at the beginning. */
  readonly prefix: string;
}

const RACE_ROUNDS = 10;

/**
 * What every store must do when several processes write at once. Each racer should run in a process of its own.
 *
 * @example
 * ```ts
 * const host = nodeHost();
 * const store = new MemoryStore({ clock: host.clock });
 * test.each(storeRaces)("$name", async ({ act, judge }) => {
 *   const context = { store, prefix: `${host.random.uuid()}/` };
 *   const racers = Array.from({ length: 8 }, (_, racer) => act({ ...context, racer }));
 *   await judge(context, await Promise.all(racers));
 * });
 * ```
 */
export const storeRaces: readonly StoreRace[] = [
  {
    name: "lets one process create each key",
    async act({ store, prefix, racer }) {
      const won: number[] = [];
      for (let round = 0; round < RACE_ROUNDS; round += 1) {
        const put = await store.put(`${prefix}${round}`, `racer ${racer}`, "absent");
        const isMine = async (): Promise<boolean> => (await bodyOf(store, `${prefix}${round}`)) === `racer ${racer}`;
        if (put.kind === "stored" || (put.kind === "unknown" && (await isMine()))) won.push(round);
      }
      return won;
    },
    async judge({ store, prefix }, answers) {
      for (let round = 0; round < RACE_ROUNDS; round += 1) {
        const winners = answers.flatMap((won, racer) => ((won as number[]).includes(round) ? [`racer ${racer}`] : []));
        equal(winners, [await bodyOf(store, `${prefix}${round}`)], `the winner of round ${round}`);
      }
    },
  },
  {
    name: "loses no increment of a counter that all processes count on",
    async act({ store, prefix, racer }) {
      const key = `${prefix}counter`;
      await store.put(key, "[]", "absent");
      return count(store, key, racer, RACE_ROUNDS);
    },
    judge: ({ store, prefix }, answers) => judgeCount(store, `${prefix}counter`, answers as readonly Counted[]),
  },
];
