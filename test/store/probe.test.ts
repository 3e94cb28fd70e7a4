/** Stores on which runs would be lost are refused when they are opened, with the reason. */
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { WorkflowError } from "../../src/errors.ts";
import { nodeHost } from "../../src/host/node.ts";
import { connect } from "../../src/index.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import type { ObjectStore } from "../../src/store/object-store.ts";
import { refuseUnsafe } from "../../src/store/unsafe.ts";
import { startProxy, type Proxy } from "./fixtures/proxy.ts";
import { bucketKinds, CREDENTIALS, chosenServers, openServer, refusedKinds, urlOf } from "./fixtures/servers.ts";

/** A store in memory that differs in some members. */
function storeWith(changes: Partial<ObjectStore>): ObjectStore {
  const store = new MemoryStore({ clock: nodeHost().clock });
  return new Proxy<ObjectStore>(store, {
    get: (target, name) => {
      const value: unknown = name in changes ? Reflect.get(changes, name) : Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

const calling = (server: string, versions: boolean): ObjectStore => storeWith({ server, capabilities: { versions } });

describe("a store", () => {
  test("that keeps conditions is used, the first time and later", async () => {
    const store = storeWith({});
    await refuseUnsafe(store);
    await refuseUnsafe(store);
  });

  test("that ignores the condition of a put is refused", async () => {
    const etag = "1";
    const store = storeWith({ put: async () => ({ kind: "stored", etag }) });
    await expect(refuseUnsafe(store)).rejects.toThrow(
      /^memory: must not be used: it ignores the condition of a put, .*; unsafe=allow in the url opens it all the same$/u,
    );
  });

  test("whose probe may not be put is not asked", async () => {
    const put = vi.fn<ObjectStore["put"]>().mockRejectedValue(new WorkflowError("invalid", "you may not"));
    await refuseUnsafe(storeWith({ put }));
    expect(put).toHaveBeenCalledTimes(1);
  });

  test("that does not answer is unavailable", async () => {
    const put = async (): Promise<never> => {
      throw new WorkflowError("unavailable", "nobody there");
    };
    await expect(refuseUnsafe(storeWith({ put }))).rejects.toThrow("nobody there");
  });

  test.each([
    ["SeaweedFS 8000GB 4.48", false],
    ["SeaweedFS 8000GB 4.48", true],
    ["SeaweedFS 3.99", false],
    ["VERSITYGW", true],
  ])("that calls itself %s is refused (versions: %s)", async (server, versions) => {
    await expect(refuseUnsafe(calling(server, versions))).rejects.toThrow("must not be used");
  });

  test.each([
    ["SeaweedFS 8000GB 4.49", false],
    ["SeaweedFS 8000GB 5.1", true],
    ["VERSITYGW", false],
    ["MinIO", true],
    ["AmazonS3", true],
  ])("that calls itself %s is used (versions: %s)", async (server, versions) => {
    await refuseUnsafe(calling(server, versions));
  });
});

for (const name of chosenServers()) {
  const opened = await openServer(name);
  describe(`on ${name}`, () => {
    if (opened.kind === "absent") return test.skip(opened.reason, () => {});
    const { server } = opened;
    let proxy: Proxy;

    beforeAll(async () => {
      vi.stubEnv("AWS_ACCESS_KEY_ID", CREDENTIALS.accessKeyId);
      vi.stubEnv("AWS_SECRET_ACCESS_KEY", CREDENTIALS.secretAccessKey);
      proxy = await startProxy(server.endpoint);
    });
    afterAll(async () => {
      vi.unstubAllEnvs();
      await proxy.stop();
      await server.stop();
    });

    // Only moto takes a request whose signed headers are gone.
    const swallowing = async (): Promise<void> => {
      await server.bucket("swallowed", "plain");
      const url = urlOf("swallowed", proxy.endpoint);
      proxy.reset(() => ({ kind: "without", headers: ["if-none-match"] }));
      await expect(connect(url)).rejects.toThrow("it ignores the condition of a put");
      proxy.reset();
      await using _opened = await connect(url);
    };
    if (name === "moto") test("behind a proxy that swallows conditions", swallowing);

    test.each(bucketKinds(name))("a bucket that is %s", async (kind) => {
      await server.bucket(`unsafe-${kind}`, kind);
      const url = urlOf(`unsafe-${kind}`, proxy.endpoint);
      if (refusedKinds(name).includes(kind)) {
        await expect(connect(url)).rejects.toThrow("must not be used");
        await using _opened = await connect(url, { allowUnsafe: true });
        await using _allowed = await connect(`${url}&unsafe=allow`);
        return;
      }
      const asked = async (more = ""): Promise<number> => {
        proxy.reset();
        await using _opened = await connect(url + more);
        return proxy.requests.filter(({ method }) => method === "PUT").length;
      };
      expect([await asked(), await asked(), await asked("&unsafe=allow")]).toEqual([2, 1, 0]);
    });
  });
}
