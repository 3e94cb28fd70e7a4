/** A stand-in for Stately's viewer: it receives with the package's own receiver and keeps what it gets. Bundled for a browser. */
import { createBrowserReceiver } from "@statelyai/inspect";

declare global {
  // eslint-disable-next-line no-var -- a global of the page
  var received: unknown[];
}

globalThis.received = [];
createBrowserReceiver().subscribe((event) => globalThis.received.push(event));
