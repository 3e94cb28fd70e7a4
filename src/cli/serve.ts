/** The socket of the inspect page: loopback and nothing else. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { WorkflowError } from "../errors.ts";
import { answerRequest, type Site } from "../inspect/server.ts";

/** A server that listens. */
export interface Served extends AsyncDisposable {
  /** `http://127.0.0.1:…/` */
  readonly url: string;
}

/** Serves a site on 127.0.0.1. @throws {WorkflowError} `invalid` when the port is taken. */
export async function serveSite(site: Site, port = 0): Promise<Served> {
  const stopping = new AbortController();
  const server = createServer((request, response) => void respond(site, server, request, response, stopping.signal));
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) =>
      reject(new WorkflowError("invalid", `port ${port} cannot be used: ${error.message}`, { cause: error })),
    );
    server.listen(port, "127.0.0.1", resolve);
  });
  return {
    url: `http://127.0.0.1:${portOf(server)}/`,
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
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
      signal: AbortSignal.any([gone.signal, stopping]),
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
  }
}
