/** The server of the inspect page. It listens on the loopback interface only. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { WorkflowError } from "../errors.ts";
import { joinSignals } from "../host/signals.ts";
import { nodeClock } from "../host/node.ts";
import { Lifecycle, type Service } from "../services/service.ts";
import { answerRequest, type Site } from "../inspect/server.ts";

/** How long a stop waits for answers under way to be cut. */
const STOP_MS = 2_000;

/** A server on 127.0.0.1. */
export class PageServer implements Service {
  readonly #life: Lifecycle;
  #port: number | undefined;

  /** `port` 0: any that is free. */
  constructor(site: Site, port = 0) {
    const server = createServer(
      (request, response) => void respond(site, server, request, response, this.#life.stopping),
    );
    this.#life = new Lifecycle({
      name: "page server",
      clock: nodeClock,
      stopMs: STOP_MS,
      begin: async () => {
        await listen(server, port);
        this.#port = portOf(server);
      },
      end: () => close(server),
    });
  }

  /** `http://127.0.0.1:…/`, once it has started. */
  get url(): string {
    return `http://127.0.0.1:${this.#port}/`;
  }

  /** Resolves once it listens. @throws {WorkflowError} `invalid` when the port is taken. */
  start(): Promise<void> {
    return this.#life.start();
  }

  /** Ends open responses, streams included. */
  stop(): Promise<void> {
    return this.#life.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

/** Serves a site on 127.0.0.1. @throws {WorkflowError} `invalid` when the port is taken. */
export async function serveSite(site: Site, port = 0): Promise<PageServer> {
  const served = new PageServer(site, port);
  await served.start();
  return served;
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const refused = (error: Error): void =>
      reject(new WorkflowError("invalid", `port ${port} cannot be used: ${error.message}`, { cause: error }));
    server.once("error", refused);
    server.listen(port, "127.0.0.1", () => {
      server.off("error", refused);
      resolve();
    });
  });
}

async function close(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeAllConnections();
  await closed;
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

async function respond(
  site: Site,
  server: Server,
  request: IncomingMessage,
  response: ServerResponse,
  stopping: AbortSignal,
): Promise<void> {
  const gone = new AbortController();
  response.on("close", () => gone.abort());
  const ends = joinSignals(gone.signal, stopping);
  const { method = "", url = "", headers } = request;
  const lastEventId = headers["last-event-id"];
  try {
    const {
      status,
      headers: sent,
      body,
    } = await answerRequest(site, portOf(server), {
      method,
      url,
      host: headers.host,
      lastEventId: typeof lastEventId === "string" ? lastEventId : undefined,
      signal: ends.signal,
    });
    response.writeHead(status, sent);
    if (typeof body === "string") response.end(body);
    else {
      for await (const part of body) response.write(part);
      response.end();
    }
  } catch (error) {
    // A stream that breaks is taken up again by the page, which says so meanwhile.
    if (response.headersSent) response.destroy();
    else response.writeHead(500, { "content-type": "text/plain" }).end(`${String(error)}\n`);
  } finally {
    ends.release();
  }
}
