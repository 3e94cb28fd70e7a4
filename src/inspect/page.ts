/** The page that shows a run: markup, style, script, chart and data in one text. Needs nothing else, from nobody. */
import type { PageData } from "./page-data.ts";

/** What the page is made of besides the run. */
export interface PageParts {
  /** The text of `page/page.css`. */
  readonly style: string;
  /** The text of `page/page.js`. */
  readonly script: string;
  /** The chart as SVG, escaped by who drew it. */
  readonly chart: string;
  /** Names the style and the script for the policy; made anew for each answer. */
  readonly nonce: string;
}

/** A text as it stands in markup. */
export function escapeHtml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");
}

/** JSON as it stands in a script: nothing in it ends the script, begins a comment or ends a line. */
export function scriptJson(value: unknown): string {
  return JSON.stringify(value)
    .replaceAll("<", "\\u003c")
    .replaceAll(">", "\\u003e")
    .replaceAll("\u2028", "\\u2028")
    .replaceAll("\u2029", "\\u2029");
}

/**
 * What the page may do: run its own script, show its own style, ask who served it. Nothing else, and no markup out of text
 * (`trusted-types`).
 */
export function policyOf(nonce: string): string {
  return [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src 'nonce-${nonce}'`,
    "img-src data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; ");
}

const ICON =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath d='M4 8h8' stroke='%231d5fd1' stroke-width='2'/%3E%3Ccircle cx='3.5' cy='8' r='3' fill='%231d5fd1'/%3E%3Ccircle cx='12.5' cy='8' r='3' fill='%231d5fd1'/%3E%3C/svg%3E";

const move = (id: string, label: string, keys: string, path: string): string =>
  `<button type="button" id="${id}" title="${label} (${keys})" aria-label="${label}" aria-keyshortcuts="${keys}"><svg viewBox="0 0 14 14" aria-hidden="true"><path d="${path}"/></svg></button>`;

const section = (id: string, title: string, body: string): string =>
  `<section class="pane" aria-labelledby="${id}-title"><h2 id="${id}-title">${title}<span id="${id}-count"></span></h2>${body}</section>`;

/** The whole page. The policy is in it too, for a page that is kept as a file. */
export function pageHtml(data: PageData, parts: PageParts): string {
  const { nonce } = parts;
  // The drawing brings one style of its own; no name in it can be a tag, names are escaped.
  const chart = parts.chart.replace("<style>", `<style nonce="${nonce}">`);
  const lines = data.notes.map((note) => `<p>${escapeHtml(note)}</p>`).join("");
  const notes = lines === "" ? "" : section("notes", "Notes", `<div id="notes" class="body">${lines}</div>`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policyOf(nonce)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(`${data.workflow} ${data.id}`)}</title>
<link rel="icon" href="${ICON}">
<style nonce="${nonce}">
${parts.style}</style>
</head>
<body>
<header>
<h1>${escapeHtml(data.workflow)} <code>${escapeHtml(data.id)}</code></h1>
<span id="status" class="status"></span>
<div class="follow"><span id="mode" role="status"></span><button type="button" id="follow" hidden>Follow</button></div>
</header>
<nav aria-label="Versions of the run">
<div class="moves">
${move("first", "First version", "Home", "M2 2h2v10H2zM12 2v10L5 7z")}
${move("back", "One version back", "ArrowLeft", "M10.5 2v10L3.5 7z")}
${move("on", "One version on", "ArrowRight", "M3.5 2v10l7-5z")}
${move("newest", "Newest version", "End", "M10 2h2v10h-2zM2 2v10l7-5z")}
</div>
<input type="range" id="slider" min="0" max="0" value="0" step="1" aria-label="Version">
<span id="place"></span>
<span id="event" role="status"></span>
<time id="time"></time>
</nav>
<section id="events-pane" class="pane" aria-labelledby="events-title">
<h2 id="events-title">Events</h2>
<div id="events" class="scroll" role="listbox" tabindex="0" aria-labelledby="events-title"><div id="rows" role="presentation"></div></div>
</section>
<main>
<section id="chart-pane" aria-label="Chart">
<div id="chart" role="region" tabindex="0" aria-label="The workflow with the states of this version lit; Shift and an arrow key scroll it">${chart}</div>
<p id="note" hidden></p>
<div class="zoom">
<button type="button" id="smaller" title="Smaller (-)" aria-label="Smaller">−</button>
<button type="button" id="fit" title="Fit (0)">Fit</button>
<button type="button" id="larger" title="Larger (+)" aria-label="Larger">+</button>
</div>
</section>
<section id="changes-pane" class="pane" aria-labelledby="changes-title">
<h2 id="changes-title">Changed in this version<span id="changes-count"></span></h2>
<div id="changes" class="body scroll"></div>
</section>
</main>
<aside id="side" aria-label="This version">
<div id="error" hidden></div>
${section("waiting", "Waiting for", `<div id="waiting" class="body"></div>`)}
${section("steps", "Steps", `<div id="steps" class="body"></div>`)}
${section("input", "Input", `<div id="input" class="body"></div>`)}
<details class="pane"><summary><h2>More<span id="more-count"></span></h2></summary><div id="more" class="body"></div></details>
${notes}</aside>
<script type="application/json" id="data">${scriptJson(data)}</script>
<script type="module" nonce="${nonce}">
${parts.script}</script>
</body>
</html>
`;
}
