/**
 * P48: what the Stately inspector gets to see of a run. Everything is received by the receivers of `@statelyai/inspect` itself: over a
 * real WebSocket, and in a real browser.
 */
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { createWebSocketReceiver } from "@statelyai/inspect";
import { type AnyStateMachine, type AnyStateNode, createMachine } from "xstate";
import { describe, expect, test } from "vitest";
import { buildMachine } from "../../machines/plan/advance.ts";
import type { PersistedSnapshot } from "../../machines/snapshot.ts";
import type { Timeline } from "../../src/draw/timeline.ts";
import { PermanentError, untypedWorkflow, workflow } from "../../src/index.ts";
import { type StatelyEvent, statelyEvents } from "../../src/inspect/stately.ts";
import { stateKey } from "../../src/keys.ts";
import { createTestKit, type TestKit } from "../../src/testing/index.ts";
import { read, trip } from "./runs.ts";

/** The part of the package's own WebSocket library that the test sends with. */
interface SocketServer {
  on(event: "connection", listener: (socket: { send(text: string): void }) => void): void;
  once(event: "listening", listener: () => void): void;
  address(): AddressInfo;
  clients: Iterable<{ terminate(): void }>;
  close(done: () => void): void;
}

const { WebSocketServer } = createRequire(import.meta.resolve("@statelyai/inspect"))("ws") as {
  WebSocketServer: new (options: { port: number; host: string }) => SocketServer;
};

/** Sends the messages over a WebSocket and gives what the package's receiver made of them. */
async function receive(events: readonly StatelyEvent[]): Promise<readonly StatelyEvent[]> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await new Promise<void>((resolve) => server.once("listening", resolve));
  const received: StatelyEvent[] = [];
  const receiver = createWebSocketReceiver({ server: `ws://127.0.0.1:${server.address().port}` });
  await new Promise<void>((resolve) => {
    receiver.subscribe((event) => {
      received.push(event as unknown as StatelyEvent);
      if (received.length === events.length) resolve();
    });
    server.on("connection", (socket) => {
      for (const event of events) socket.send(JSON.stringify(event));
    });
  });
  for (const client of server.clients) client.terminate();
  await new Promise<void>((resolve) => server.close(resolve));
  return received;
}

type Of<Type extends StatelyEvent["type"]> = Extract<StatelyEvent, { type: Type }>;

const all = <Type extends StatelyEvent["type"]>(events: readonly StatelyEvent[], type: Type): readonly Of<Type>[] =>
  events.filter((event): event is Of<Type> => event.type === type);

/** A machine as a list of its states, in document order, each with its transitions. */
function outline(machine: AnyStateMachine): readonly unknown[] {
  const list = (node: AnyStateNode): readonly unknown[] => [
    {
      id: node.id,
      key: node.key,
      type: node.type,
      tags: node.tags,
      meta: node.meta as unknown,
      initial: node.initial.target.map(({ id }) => id),
      entry: node.entry,
      exit: node.exit,
      transitions: [...node.transitions.values(), node.always ?? []].flat().map((transition) => ({
        event: transition.eventType,
        guard: transition.guard as unknown,
        actions: transition.actions,
        target: transition.target?.map(({ id }) => id) ?? null,
        reenter: transition.reenter,
      })),
    },
    ...Object.values(node.states).flatMap(list),
  ];
  return list(machine.root);
}

/** Snapshots of all stored versions, oldest first, without the code under test. */
async function storedSnapshots(kit: TestKit, id: string): Promise<readonly PersistedSnapshot[]> {
  const versions = (await kit.store.versions(stateKey(id))).toReversed();
  return Promise.all(
    versions.map(async ({ versionId }) => {
      const got = await kit.store.getVersion(stateKey(id), versionId);
      const body = JSON.parse(got.kind === "found" ? got.object.body : "") as {
        machine: { snapshot: PersistedSnapshot };
      };
      return body.machine.snapshot;
    }),
  );
}

/** What the package's adapters put where they cut. */
const CUT = /"\[(?:Object|Array|Circular|\.\.\.)\]"|"\.\.\."/;

describe("the Stately inspector", () => {
  test("gets the chart with all states and transitions, and every version's snapshot, nothing cut", async () => {
    await using kit = await createTestKit({ workflows: [trip] });
    const run = await kit.client.start(trip);
    await kit.until(run, "waiting_signal");
    await run.signal("answer", { yes: true });
    await run.wait();
    const timeline = await read(kit.store, run.id);
    const sent = statelyEvents(timeline);
    const received = await receive(sent);
    expect(received).toEqual(JSON.parse(JSON.stringify(sent)));
    expect(JSON.stringify(received)).not.toMatch(CUT);

    const [actor, ...others] = all(received, "@xstate.actor");
    expect(others).toEqual([]);
    expect(received[0]).toBe(actor);
    const there = createMachine(JSON.parse(actor?.definition ?? "") as never);
    const ours = buildMachine(trip.plan).machine;
    expect(outline(there)).toEqual(outline(ours));
    expect(outline(there).length).toBeGreaterThan(30);

    const stored = await storedSnapshots(kit, run.id);
    const snapshots = all(received, "@xstate.snapshot").map(({ snapshot }) => snapshot);
    expect(snapshots.map(({ value }) => value)).toEqual(stored.map(({ value }) => value));
    expect(snapshots.map(({ tags: _tags, ...rest }) => rest)).toEqual(stored);
    // The viewer restores what it gets: there it is the same state, with the same tags.
    for (const { tags, ...snapshot } of snapshots) {
      const restored = there.resolveState({ value: snapshot["value"] as never, context: {} });
      expect(tags.toSorted()).toEqual([...restored.tags].toSorted());
    }
    expect(actor?.snapshot).toEqual(snapshots[0]);
    expect(all(received, "@xstate.event").map(({ event }) => event)).toEqual([
      { type: "xstate.init" },
      { type: "start" },
      { type: "step.done", step: "quote" },
      { type: "step.done", step: "book flight" },
      { type: "step.done", step: "book_hotel" },
      { type: "step.waiting", step: "confirm" },
      { type: "signal.received", signal: "answer" },
      { type: "step.done", step: "confirm" },
      { type: "step.failed", step: "pay" },
      { type: "undo.done", step: "book flight" },
      { type: "undo.done", step: "book_hotel" },
    ]);
    expect(new Set(received.map(({ sessionId, rootId, _version }) => `${sessionId} ${rootId} ${_version}`))).toEqual(
      new Set([`${run.id} ${run.id} 0.7.2`]),
    );
    expect(received.slice(1).map(({ createdAt }) => Number(createdAt))).toEqual(
      timeline.frames.flatMap(({ at }) => [at, at]),
    );
  });

  test("gets a run of 150 steps whole, in the order in which they are written", async () => {
    // Names whose alphabetical order is not theirs, in rows of ten side by side.
    const names = Array.from({ length: 150 }, (_, index) => `s${(index * 7) % 150}_${index}`);
    let long = untypedWorkflow("long");
    for (const [index, name] of names.entries()) {
      const row = Math.floor(index / 10);
      const dependsOn = row === 0 ? [] : names.slice((row - 1) * 10, row * 10);
      const fails = index === names.length - 1;
      long = long.step(name, {
        dependsOn,
        onFailure: "compensate",
        run: () => {
          if (fails) throw new PermanentError("the last one");
          return index;
        },
        ...(fails ? {} : { compensate: () => {} }),
      });
    }
    await using kit = await createTestKit({ workflows: [long], worker: { concurrency: 20 } });
    const run = await kit.client.start("long");
    expect((await run.wait()).status).toBe("failed");
    const timeline = await read(kit.store, run.id);
    // More than the 200 messages that the package's own queues keep.
    expect(timeline.frames.length).toBeGreaterThan(200);
    const received = await receive(statelyEvents(timeline));
    expect(JSON.stringify(received)).not.toMatch(CUT);
    const [actor] = all(received, "@xstate.actor");
    const there = createMachine(JSON.parse(actor?.definition ?? "") as never);
    expect(outline(there)).toEqual(outline(buildMachine(long.plan).machine));
    const snapshots = all(received, "@xstate.snapshot").map(({ snapshot }) => snapshot);
    expect(snapshots.map(({ value }) => value)).toEqual((await storedSnapshots(kit, run.id)).map(({ value }) => value));
  });

  test("gets the events of frames without a machine, and of paths that know only words", () => {
    const plan = workflow("small").step("a", () => 1).plan;
    const snapshot = { status: "active", value: "pending", context: {}, historyValue: {}, children: {} };
    const details = {};
    const timeline: Timeline = {
      id: "path",
      plan,
      frames: [
        { at: null, events: ["another program: running"], status: "running", snapshot: null, details },
        { at: null, events: ["a", "b"], status: "pending", snapshot, details },
        { at: null, events: [], status: "pending", snapshot, details },
      ],
    };
    const events = statelyEvents(timeline);
    expect(events.map(({ type }) => type.replace("@xstate.", ""))).toEqual([
      "actor",
      "event",
      "event",
      "event",
      "snapshot",
      "snapshot",
    ]);
    expect(all(events, "@xstate.actor")[0]?.snapshot).toEqual({ status: "active" });
    expect(all(events, "@xstate.snapshot").map(({ event }) => event)).toEqual([{ type: "b" }, { type: "" }]);
    expect(all(events, "@xstate.snapshot")[0]?.snapshot).toEqual({ ...snapshot, tags: ["pending"] });
    expect(events.map(({ createdAt }) => createdAt)).toEqual(["0", "0", "1", "1", "1", "2"]);
  });
});
