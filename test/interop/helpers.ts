/** What the tests of plain tasks share. */
import type { Host } from "../../src/host/host.ts";
import { taskKey } from "../../src/keys.ts";
import type { QueueContext, TaskRecord } from "../../src/queue/task.ts";
import { taskCodec } from "../../src/queue/task.ts";
import type { ObjectStore } from "../../src/store/object-store.ts";
import { type Proxy as S3Proxy, startProxy } from "../store/fixtures/proxy.ts";
import { type Bucket, type InteropServer, until } from "./server.ts";

/** The task as it stands. */
export async function readTask(bucket: Bucket, id: string): Promise<TaskRecord> {
  return taskCodec.decode(await bucket.body(taskKey(id)), taskKey(id));
}

/** All tasks of a type. */
export async function tasksOf(bucket: Bucket, type: string): Promise<readonly TaskRecord[]> {
  const keys = await bucket.keys("tasks/");
  const tasks = await Promise.all(keys.map(async (key) => taskCodec.decode(await bucket.body(key), key)));
  return tasks.filter(({ task_type }) => task_type === type);
}

/** Waits until a task has this status. */
export function reached(bucket: Bucket, id: string, status: TaskRecord["status"]): Promise<TaskRecord> {
  return until(`${id} is ${status}`, async () => {
    const task = await readTask(bucket, id);
    return task.status === status ? task : undefined;
  });
}

/** A body with what differs from task to task blanked: members, their order and what is null or left out remain. */
export function shape(body: string): string {
  return body
    .replaceAll(/"\d{4}-\d\d-\d\dT[\d:.]+Z"/gu, '"<instant>"')
    .replaceAll(/"[\da-f]{8}-[\da-f-]{27}"/gu, '"<uuid>"')
    .replace(/"shard":"."/u, '"shard":"<digit>"');
}

/** A task id in a shard of choice; `rank` orders ids within it. */
export function idIn(host: Host, shard: string, rank = "8"): string {
  return `${shard}${rank}${host.random.uuid().slice(2)}`;
}

/** The same queue with some methods of its store replaced. */
export function withStore(queue: QueueContext, methods: Partial<ObjectStore>): QueueContext {
  const store = new Proxy(queue.store, {
    get: (target, name) => {
      const value: unknown = Reflect.get(name in methods ? methods : target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  return { ...queue, store };
}

/** The same queue as it will be seen later: whatever is due by then is due now. */
export function later(queue: QueueContext, ms: number): QueueContext {
  return withStore(queue, {
    time: () => {
      const { earliest, latest } = queue.store.time();
      return { earliest: earliest + ms, latest: latest + ms };
    },
  });
}

/** A proxy before the server, which stops when its block ends. */
export async function proxyBefore(server: InteropServer): Promise<S3Proxy & AsyncDisposable> {
  const proxy = await startProxy(server.endpoint);
  return Object.defineProperty(proxy as S3Proxy & AsyncDisposable, Symbol.asyncDispose, { value: () => proxy.stop() });
}
