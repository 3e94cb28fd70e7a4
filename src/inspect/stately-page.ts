/**
 * The page that hands a run to the Stately inspector: it opens the viewer in a window and posts the messages when that says that it is
 * there. What has happened is in the page; what a live run does next it is told by its own server. It asks nobody else for anything.
 *
 * The protocol is that of the browser adapter of `@statelyai/inspect` 0.7.2: the viewer posts `{ type: "@statelyai.connected" }` to the
 * window that opened it, once each time it is loaded.
 */
import { WorkflowError } from "../errors.ts";
import { sha256Hex } from "../host/uuid.ts";
import type { StatelyEvent } from "./stately.ts";

/** Where Stately serves its viewer. */
export const STATELY_VIEWER = "https://stately.ai/inspect";

/** Options of `statelyHtml`. */
export interface StatelyPageOptions {
  /** Address of the viewer. @defaultValue {@link STATELY_VIEWER} */
  readonly viewer?: string;
  /** Whether the server tells what comes next, under `follow`. @defaultValue false */
  readonly live?: boolean;
}

/** What the server tells a page that follows. */
export interface StatelyNews {
  /** The run that it is about. */
  readonly id: string;
  readonly events: readonly StatelyEvent[];
}

/**
 * The page as HTML. It sends the run to no other origin than that of the viewer.
 * @throws {WorkflowError} `invalid` for a viewer that is no web page
 */
export function statelyHtml(events: readonly StatelyEvent[], options: StatelyPageOptions = {}): string {
  const viewer = addressOf(options.viewer ?? STATELY_VIEWER);
  const { live = false } = options;
  const data = { viewer, events, live };
  const follow = live ? "; connect-src 'self'" : "";
  const policy = `default-src 'none'; script-src '${hashOf(SCRIPT)}'; style-src '${hashOf(STYLE)}'${follow}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width">
<title>Stately inspector</title>
<style>${STYLE}</style>
</head>
<body>
<h1 id="run"></h1>
<p><button id="open" type="button">Open the Stately inspector</button></p>
<p id="state" role="status"></p>
<script type="application/json" id="data">${JSON.stringify(data).replaceAll("<", "\\u003c")}</script>
<script>${SCRIPT}</script>
</body>
</html>
`;
}

function addressOf(viewer: string): string {
  const url = URL.canParse(viewer) ? new URL(viewer) : undefined;
  if (url?.protocol === "https:" || url?.protocol === "http:") return url.href;
  throw new WorkflowError(
    "invalid",
    `${JSON.stringify(viewer)} is not the address of a viewer, such as ${STATELY_VIEWER}`,
  );
}

/** The hash by which a policy allows an inline script or style. */
function hashOf(text: string): string {
  return `sha256-${Buffer.from(sha256Hex(text), "hex").toString("base64")}`;
}

const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 4rem auto; max-width: 40rem; padding: 0 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.25rem; }
button { font: inherit; padding: 0.5rem 1rem; }
`;

/** A blocked window needs a click, so there is a button; a viewer that is loaded again is told everything again. */
const SCRIPT = `
"use strict";
const { viewer, events, live } = JSON.parse(document.getElementById("data").textContent);
const origin = new URL(viewer).origin;
const say = (text) => { document.getElementById("state").textContent = text; };
let target = null;
let connected = false;
const send = (some) => {
  for (const event of some) target.postMessage(event, origin);
  say(events.length + " messages were sent to " + viewer + (live ? "; what comes next follows." : "."));
};
const open = () => {
  connected = false;
  target = window.open(viewer, "xstateinspector");
  say(target === null ? "The browser blocked the window; press the button." : "Waiting for " + viewer + " …");
};
window.addEventListener("message", (message) => {
  if (target === null || message.source !== target || message.data?.type !== "@statelyai.connected") return;
  if (message.origin !== origin) {
    say("The viewer is at " + message.origin + " now, not at " + origin + ". Nothing was sent there.");
    return;
  }
  connected = true;
  send(events);
});
if (live) {
  new EventSource("follow?from=" + events.length).addEventListener("frames", (message) => {
    const news = JSON.parse(message.data);
    // A server that was started again may tell of another run.
    if (news.id !== events[0]?.sessionId) return location.reload();
    events.push(...news.events);
    if (connected) send(news.events);
  });
}
document.getElementById("run").textContent = events[0]?.sessionId ?? "";
document.getElementById("open").addEventListener("click", open);
open();
`;
