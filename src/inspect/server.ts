/**
 * What the inspect page's server answers, without its socket.
 *
 * It is asked on loopback, by a browser that may show hostile pages beside this one. So: only the names of loopback as host (a name of
 * somebody else's that points here reads nothing), only GET, nothing that another page may embed or read, nothing kept.
 */
import { policyOf } from "./page.ts";

/** A request as far as it matters. */
export interface PageRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly host: string | undefined;
  /** Where a stream that broke is taken up again. */
  readonly lastEventId: string | undefined;
  /** Aborts when the asker is gone. */
  readonly signal: AbortSignal;
}

/** An answer. A body in parts is a stream. */
export interface PageReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | AsyncIterable<string>;
}

/** What is served. */
export interface Site {
  /** The markup of `/`, its policy made with the same nonce. */
  html(nonce: string): Promise<string>;
  /** The policy of `/`. @defaultValue `policyOf` */
  policy?(nonce: string): string;
  /** The JSON of `/timeline`. */
  timeline(): Promise<unknown>;
  /** The news that `/follow` tells from a position on, each with the position after it; absent: there is none. */
  follow?(from: number, signal: AbortSignal): AsyncIterable<{ readonly next: number; readonly news: unknown }>;
  /** Fresh at each call, and not to be guessed. */
  nonce(): string;
}

const HEADERS: Readonly<Record<string, string>> = {
  "cache-control": "no-store",
  "cross-origin-opener-policy": "same-origin-allow-popups",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
};

/** The policy of what is no page. */
const NOTHING = "default-src 'none'";

function reply(status: number, type: string, body: PageReply["body"], policy = NOTHING): PageReply {
  return {
    status,
    headers: {
      ...HEADERS,
      "content-type": `${type}; charset=utf-8`,
      "content-security-policy": `${policy}; frame-ancestors 'none'`,
    },
    body,
  };
}

const refuse = (status: number, why: string): PageReply => reply(status, "text/plain", `${why}\n`);

/** Answers a request to the server that listens on `port` of loopback. */
export async function answerRequest(site: Site, port: number, request: PageRequest): Promise<PageReply> {
  if (![`127.0.0.1:${port}`, `localhost:${port}`].includes(request.host ?? ""))
    return refuse(421, `this is http://127.0.0.1:${port}`);
  if (request.method !== "GET") return refuse(405, "only GET");
  const [path, query] = request.url.split("?", 2);
  if (path === "/") {
    const nonce = site.nonce();
    return reply(200, "text/html", await site.html(nonce), (site.policy ?? policyOf)(nonce));
  }
  if (path === "/timeline") return reply(200, "application/json", JSON.stringify(await site.timeline()));
  if (path === "/follow" && site.follow !== undefined) {
    const from = request.lastEventId ?? new URLSearchParams(query).get("from") ?? "";
    return reply(
      200,
      "text/event-stream",
      tell(site.follow(/^\d{1,9}$/.test(from) ? Number(from) : 0, request.signal)),
    );
  }
  return refuse(404, "there is / and /timeline");
}

/** Server-sent events; the id of each is where a new connection goes on. JSON has no line ends: one `data:` holds it. */
async function* tell(all: ReturnType<NonNullable<Site["follow"]>>): AsyncGenerator<string> {
  // Sent at once, so that the page knows that somebody is there.
  yield ":\n\n";
  for await (const { next, news } of all) yield `id: ${next}\nevent: frames\ndata: ${JSON.stringify(news)}\n\n`;
}
