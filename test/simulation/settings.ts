/** The circumstances under which no history may break anything. */
import { EXPRESS_LIMITS, R2_LIMITS } from "../../src/testing/limited-bucket.ts";
import type { Setting } from "./play.ts";

const ALL = [
  "two",
  "three",
  "fork",
  "wait",
  "parked",
  "early",
  "twice",
  "gate",
  "undone",
  "saga",
  "race",
  "halt",
  "halts",
  "cancel",
  "retry",
  "hold",
  "pause",
];
const RETRIED = ["again", "kept", "late"];
const PLAIN = ["two", "three", "fork", "undone", "saga", "race", "halt", "halts", "cancel"];

/** By name, for people. */
export const SETTINGS: Readonly<Record<string, Setting>> = {
  "everything once": { shapes: ALL, crash: 1, freeze: 1, unknown: 1 },
  "the examples": {
    shapes: ["order_fulfilment", "order that cannot be shipped", "onboarding", "flight_delays"],
    crash: 1,
    freeze: 1,
    unknown: 1,
  },
  "opened again": { shapes: RETRIED, crash: 1, freeze: 1, unknown: 1 },
  "opened again, two crashes": { shapes: RETRIED, crash: 2 },
  "opened again beside a python client that pauses": { shapes: RETRIED, outsiders: ["pauser"], crash: 1 },
  "a bucket like R2": { shapes: ALL, limits: R2_LIMITS, crash: 1, freeze: 1, unknown: 1 },
  "a bucket like S3 Express": { shapes: ALL, limits: EXPRESS_LIMITS, crash: 1, freeze: 1, unknown: 1 },
  "opened again in a bucket with both limits": {
    shapes: RETRIED,
    limits: { ...R2_LIMITS, ...EXPRESS_LIMITS },
    crash: 1,
    unknown: 1,
  },
  "two crashes": { shapes: ALL, crash: 2 },
  "lost and late replies": { shapes: ALL, unknown: 3 },
  "a frozen worker and a crash": { shapes: ALL, freeze: 1, crash: 1 },
  "a client on a bad line, and no sweeper": {
    shapes: [...PLAIN, "wait", "parked", "early", "gate", "hold", "pause"],
    victims: "client",
    unknown: 2,
    sweeper: false,
  },
  "the store is away for seconds": { shapes: [...ALL, ...RETRIED], outages: 3 },
  "the store is away for seconds, and a crash": { shapes: ALL, outages: 2, crash: 1 },
  "no sweeper": { shapes: [...ALL, ...RETRIED], crash: 1, freeze: 1, unknown: 1, sweeper: false },
  "a python client pauses and resumes": { shapes: PLAIN, outsiders: ["pauser"], crash: 1 },
  "a python client cancels": { shapes: [...PLAIN, "wait", "gate"], outsiders: ["canceller"], crash: 1 },
  "a python worker completes a step": { shapes: ["remote"], outsiders: ["python"], crash: 1, unknown: 1 },
  "a python worker completes what we run": {
    shapes: ["two", "three", "fork"],
    outsiders: ["completer"],
    crash: 1,
    unknown: 1,
  },
  "a python worker and a python client": { shapes: ["remote"], outsiders: ["python", "pauser"], freeze: 1 },
  "a python client, and no versions": { shapes: PLAIN, outsiders: ["pauser"], crash: 1, versions: false },
  "a python client cancels, and no versions": { shapes: PLAIN, outsiders: ["canceller"], versions: false },
  "a python worker, and no versions": { shapes: ["remote"], outsiders: ["python"], crash: 1, versions: false },
  "signals without a wake-up": { shapes: ["wait"], outsiders: ["sender"], sends: false, crash: 1, unknown: 1 },
  "owner and releaser of a step die while its run stops": {
    shapes: ["halts"],
    concurrency: 1,
    long: false,
    inTurn: [
      { kinds: ["slow"], aim: "delete ready/", delayMs: [45_000, 70_000] },
      { kinds: ["crash-before"], aim: "put workflow/run/state.json", other: true },
      { kinds: ["crash-after"], aim: "put workflow/run/state.json" },
    ],
  },
  "a monitor of buquet": { shapes: ALL, outsiders: ["monitor"], crash: 1 },
  "a sweeper of buquet": { shapes: ["two", "fork"], outsiders: ["sweeper"], crash: 1, sweeper: false },
};
