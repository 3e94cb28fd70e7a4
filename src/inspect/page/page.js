// @ts-check
/**
 * The page of `buquet-workflow inspect`, in the browser: one state (which frame is shown, whether new ones are followed) and one
 * function that draws it. Nothing here makes markup from text: strings of a run only ever become text nodes.
 *
 * @import { PageData, PageFrame, PageNews } from "../page-data.ts"
 * @import { Patch } from "../patch.ts"
 * @typedef {{ readonly [name: string]: unknown }} Members
 */

/** @type {PageData} */
const data = JSON.parse(part("data").textContent ?? "");
const frames = [...data.frames];
const numbers = new Intl.NumberFormat("en");
const clock = new Intl.DateTimeFormat(undefined, {
  month: "short",
  day: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** Details of each frame; neighbours share what did not change. @type {Members[]} */
const details = [];
learn();

const shown = { at: -1, following: true };

/** An element of the page that is always there. @param {string} id @returns {HTMLElement} */
function part(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no ${id}`);
  return found;
}

/**
 * @param {string} tag
 * @param {Readonly<Record<string, string>>} [attributes]
 * @param {readonly (Node | string)[]} [children]
 */
function make(tag, attributes = {}, children = []) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// ------------------------------------------------------------------ what the frames say

/** Works out what frames that are new say. */
function learn() {
  for (let index = details.length; index < frames.length; index += 1) {
    const frame = /** @type {PageFrame} */ (frames[index]);
    details.push(frame.patches.reduce(patched, details[index - 1] ?? {}));
  }
}

/** @param {unknown} value @returns {value is Members} */
function isMembers(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The same members with one set or taken away. `__proto__` is a name like any other. @param {Members} whole @param {Patch} patch @returns {Members} */
function patched(whole, { path, ...rest }) {
  const [name = "", ...inner] = path;
  const copy = { ...whole };
  if (inner.length === 0 && !("value" in rest)) {
    delete copy[name];
    return copy;
  }
  const old = Object.hasOwn(whole, name) ? whole[name] : undefined;
  const value = inner.length === 0 ? rest.value : patched(isMembers(old) ? old : {}, { path: inner, ...rest });
  Object.defineProperty(copy, name, { value, enumerable: true, configurable: true, writable: true });
  return copy;
}

// ------------------------------------------------------------------ words

/** @param {number} ms */
function duration(ms) {
  const size = Math.abs(ms);
  if (size < 1_000) return `${Math.round(ms)} ms`;
  if (size < 60_000) return `${(ms / 1_000).toFixed(size < 10_000 ? 2 : 1)} s`;
  /** @type {readonly (readonly [number, string, number, string])[]} */
  const units = [
    [3_600_000, "min", 60_000, "s"],
    [86_400_000, "h", 3_600_000, "min"],
    [Infinity, "d", 86_400_000, "h"],
  ];
  const lesser = { s: 1_000, min: 60_000, h: 3_600_000 };
  const [, unit, of, rest] = units.find(([limit]) => size < limit) ?? /** @type {const} */ ([0, "d", 86_400_000, "h"]);
  const whole = Math.trunc(ms / of);
  const left = Math.trunc(Math.abs(ms % of) / lesser[/** @type {"s" | "min" | "h"} */ (rest)]);
  return left === 0 ? `${whole} ${unit}` : `${whole} ${unit} ${left} ${rest}`;
}

/** An instant beside a frame: "in 3 h", "2 s ago". @param {number} at @param {number | null} now */
function relative(at, now) {
  if (now === null) return "";
  return at >= now ? `in ${duration(at - now)}` : `${duration(now - at)} ago`;
}

/** @param {unknown} value @returns {number | undefined} */
function instant(value) {
  const at = typeof value === "number" ? value : typeof value === "string" ? Date.parse(value) : Number.NaN;
  return Number.isFinite(at) && Math.abs(at) < 8.64e15 ? at : undefined;
}

/** What a frame was written for, in one line. @param {number} index */
function headline(index) {
  const events = frames[index]?.events ?? [];
  return events[0] ?? (index === 0 ? "start" : "no event");
}

// ------------------------------------------------------------------ values

const SHORT = 72;
const MOST = 100;

/** A JSON value: short ones on one line, long ones folded and only drawn when they are opened. @param {unknown} value @returns {HTMLElement} */
function valueOf(value) {
  if (typeof value === "string" && value.length > 3 * SHORT) {
    return folded(`${JSON.stringify(value.slice(0, SHORT)).slice(0, -1)}…`, () => [make("pre", {}, [value])]);
  }
  const text = JSON.stringify(value) ?? "";
  const kind = value === null ? "null" : Array.isArray(value) ? "list" : typeof value;
  if (text.length <= SHORT || typeof value !== "object" || value === null)
    return make("code", { class: `value ${kind}` }, [text]);
  const entries = Object.entries(value);
  const count = `${numbers.format(entries.length)} ${Array.isArray(value) ? "items" : "members"}`;
  return folded(`${text.slice(0, SHORT - 16)}…`, () => membersOf(entries), count);
}

/** @param {string} summary @param {() => readonly Node[]} inside @param {string} [note] */
function folded(summary, inside, note) {
  const head = make("summary", {}, [make("code", { class: "value" }, [summary])]);
  if (note !== undefined) head.append(make("small", {}, [note]));
  const box = make("details", { class: "folded" }, [head]);
  box.addEventListener("toggle", () => box.childElementCount === 1 && box.append(...inside()), { once: true });
  return box;
}

/** @param {readonly (readonly [string, unknown])[]} entries @param {number} [from] @returns {Node[]} */
function membersOf(entries, from = 0) {
  const list = make("dl", { class: "members" });
  for (const [name, value] of entries.slice(from, from + MOST))
    list.append(make("dt", {}, [name]), make("dd", {}, [valueOf(value)]));
  const left = entries.length - from - MOST;
  if (left <= 0) return [list];
  const more = make("button", { type: "button", class: "more" }, [`${numbers.format(left)} more`]);
  more.addEventListener("click", () => more.replaceWith(...membersOf(entries, from + MOST)));
  return [list, more];
}

// ------------------------------------------------------------------ the chart

const chart = part("chart");
/** @type {SVGSVGElement | null} */
const drawing = chart.querySelector("svg");
/** Each state's element, by its position in `data.states`. @type {ReadonlyMap<number, Element>} */
const drawn = new Map(
  data.states.flatMap((id, position) => {
    const found = chart.querySelector(`[data-state="${CSS.escape(id)}"]`);
    return found === null ? [] : [/** @type {const} */ ([position, found])];
  }),
);
/** @type {ReadonlySet<number>} */
let lit = new Set();

/** Lights the states of a frame; touches only what differs from the frame before. @param {number} index */
function light(index) {
  const now = new Set(frames[index]?.live ?? []);
  for (const state of lit) if (!now.has(state)) drawn.get(state)?.classList.remove("live");
  for (const state of now) if (!lit.has(state)) drawn.get(state)?.classList.add("live");
  const changed = [...now].some((state) => !lit.has(state)) || lit.size !== now.size;
  lit = now;
  if (changed) reveal();
}

const natural = { width: drawing?.viewBox.baseVal.width ?? 0, height: drawing?.viewBox.baseVal.height ?? 0 };
const SMALLEST_LEGIBLE = 0.6;
/** @type {number | "fit"} */
let zoom = "fit";

/** How large the whole chart fits, but not too small to read: then it scrolls. */
function fitting() {
  const { clientWidth, clientHeight } = chart;
  const whole = Math.min((clientWidth - 24) / natural.width, (clientHeight - 24) / natural.height);
  return Math.min(1.25, Math.max(SMALLEST_LEGIBLE, whole));
}

/** @param {number | "fit"} next */
function setZoom(next) {
  if (drawing === null || natural.width === 0) return;
  zoom = next;
  const scale = zoom === "fit" ? fitting() : zoom;
  drawing.style.setProperty("width", `${Math.round(natural.width * scale)}px`);
  drawing.style.setProperty("height", `${Math.round(natural.height * scale)}px`);
  reveal();
}

/** @param {number} factor */
function zoomBy(factor) {
  setZoom(Math.min(4, Math.max(0.2, (zoom === "fit" ? fitting() : zoom) * factor)));
}

/** How many states an element is in. @param {Element} element @returns {number} */
function depthOf(element) {
  const outer = element.parentElement?.closest(".state");
  return outer === null || outer === undefined ? 0 : 1 + depthOf(outer);
}

/** Scrolls the chart when none of the innermost live states is in sight; outer ones only say that the run is on its way. */
function reveal() {
  const leaves = [...lit].flatMap((state) => {
    const element = drawn.get(state);
    return element === undefined || element.querySelector(".live") !== null
      ? []
      : [{ depth: depthOf(element), box: element.getBoundingClientRect() }];
  });
  const deepest = Math.max(...leaves.map(({ depth }) => depth));
  const boxes = leaves.filter(({ depth }) => depth === deepest).map(({ box }) => box);
  const pane = chart.getBoundingClientRect();
  const inSight = boxes.some(
    (box) => box.left >= pane.left && box.right <= pane.right && box.top >= pane.top && box.bottom <= pane.bottom,
  );
  const [first] = boxes;
  if (inSight || first === undefined) return;
  chart.scrollTo({
    left: chart.scrollLeft + first.left - pane.left - (pane.width - first.width) / 2,
    top: chart.scrollTop + first.top - pane.top - (pane.height - first.height) / 2,
  });
}

// ------------------------------------------------------------------ the list of events

const list = part("events");
const spacer = part("rows");
const ROW = 40;
const BEYOND = 6;
/** Rows that are there now, by frame. @type {Map<number, HTMLElement>} */
const rows = new Map();

/** @param {number} index */
function makeRow(index) {
  const frame = /** @type {PageFrame} */ (frames[index]);
  const before = frames[index - 1]?.at ?? null;
  const since = frame.at === null || before === null ? "" : `+${duration(frame.at - before)}`;
  const rest = frame.events.length > 1 ? [make("small", { class: "count" }, [`+${frame.events.length - 1}`])] : [];
  const row = make("div", { role: "option", id: `frame-${index}`, class: "row", title: frame.events.join("\n") }, [
    make("span", { class: "number" }, [String(index + 1)]),
    make("span", { class: "what" }, [headline(index), ...rest]),
    make("span", { class: `status ${frame.status}` }, [frame.status]),
    make("span", { class: "since" }, [since]),
  ]);
  row.setAttribute("aria-posinset", String(index + 1));
  row.style.setProperty("transform", `translateY(${index * ROW}px)`);
  row.addEventListener("click", () => go(index));
  return row;
}

/** Makes room for a row of each frame. */
function makeRoom() {
  spacer.style.setProperty("height", `${frames.length * ROW}px`);
}

/** Draws the rows in sight and takes away the others. */
function showRows() {
  makeRoom();
  const first = Math.max(0, Math.floor(list.scrollTop / ROW) - BEYOND);
  const last = Math.min(frames.length - 1, Math.ceil((list.scrollTop + list.clientHeight) / ROW) + BEYOND);
  for (const [index, row] of rows) {
    if (index >= first && index <= last) continue;
    row.remove();
    rows.delete(index);
  }
  for (let index = first; index <= last; index += 1) {
    const row = rows.get(index) ?? makeRow(index);
    if (!rows.has(index)) spacer.append(row);
    rows.set(index, row);
    row.setAttribute("aria-selected", String(index === shown.at));
    row.setAttribute("aria-setsize", String(frames.length));
  }
  if (rows.has(shown.at)) list.setAttribute("aria-activedescendant", `frame-${shown.at}`);
}

/** @param {number} index */
function revealRow(index) {
  // Before there is room for a row the list cannot be scrolled to it.
  makeRoom();
  const top = index * ROW;
  if (top < list.scrollTop) list.scrollTop = top;
  else if (top + ROW > list.scrollTop + list.clientHeight) list.scrollTop = top + ROW - list.clientHeight;
}

// ------------------------------------------------------------------ the panels

/** Fills a panel; an empty one says so. @param {string} id @param {readonly Node[]} content @param {string} nothing @param {string} [count] */
function fill(id, content, nothing, count = "") {
  part(id).replaceChildren(...(content.length > 0 ? content : [make("p", { class: "nothing" }, [nothing])]));
  part(`${id}-count`).textContent = count;
}

/** Members of the details that are about the engine and not about the work. */
const ENGINE = new Set([
  "executions",
  "outbox",
  "nextCheckAt",
  "writtenBy",
  "given",
  "taken",
  "currentSteps",
  "paused",
  "outcome",
  "type",
]);

/** @param {PageFrame["changes"][number]} change */
function changeNode(change) {
  const sides = [
    ...("before" in change ? [make("del", {}, [valueOf(change.before)])] : []),
    ...("after" in change ? [make("ins", {}, [valueOf(change.after)])] : []),
  ];
  return make("div", { class: "change" }, [
    make("span", { class: "path" }, [change.path]),
    make("div", { class: "sides" }, sides),
  ]);
}

/** @param {readonly PageFrame["changes"][number][]} changes @returns {HTMLElement[]} */
function changeNodes(changes) {
  const nodes = changes.slice(0, MOST).map(changeNode);
  if (changes.length > MOST) nodes.push(make("p", { class: "nothing" }, [`and ${changes.length - MOST} more`]));
  return nodes;
}

/** @param {number} index */
function showChanges(index) {
  const { changes = [] } = frames[index] ?? {};
  const isEngine = (/** @type {{ readonly path: string }} */ { path }) => ENGINE.has(/^\w*/.exec(path)?.[0] ?? "");
  const work = changes.filter((change) => !isEngine(change));
  const engine = changes.filter(isEngine);
  const nodes = changeNodes(work);
  if (engine.length > 0) {
    const fold = folded(`${numbers.format(engine.length)} in the engine`, () => changeNodes(engine));
    fold.classList.add("engine");
    nodes.push(fold);
  }
  const nothing = index === 0 ? "This is the first version." : "Nothing that can be seen.";
  fill("changes", nodes, nothing, work.length === 0 ? "" : numbers.format(work.length));
}

/** @param {unknown} value @returns {readonly Members[]} */
const listOf = (value) => (Array.isArray(value) ? value.filter(isMembers) : []);

/** An open end, in words beside the frame. @param {unknown} value @param {number | null} now @returns {{ readonly when: string, readonly title: string }} */
function due(value, now) {
  const at = instant(value);
  return at === undefined ? { when: "", title: "" } : { when: relative(at, now), title: day.format(at) };
}

/** @param {string} kind @param {string} what @param {readonly (Node | string)[]} of @param {unknown} end @param {number | null} now */
function waitRow(kind, what, of, end, now) {
  const { when, title } = due(end, now);
  return make("div", { class: `wait ${kind}` }, [
    make("b", {}, [what]),
    make("span", {}, of),
    make("small", { title }, [when]),
  ]);
}

/** @param {number} index */
function showWaiting(index) {
  const now = frames[index]?.at ?? null;
  const { timers, waits } = details[index] ?? {};
  const signals = listOf(waits);
  // The deadline of a wait is shown with the wait.
  const isShown = (/** @type {Members} */ timer) =>
    timer["timer"] === "deadline" && signals.some((wait) => wait["step"] === timer["step"] && wait["until"] !== null);
  const clocks = listOf(timers).filter((timer) => !isShown(timer));
  const step = (/** @type {Members} */ of) => make("em", {}, [String(of["step"])]);
  const rows = [
    ...signals.map((wait) =>
      waitRow("signal", String(wait["signal"]), ["signal for ", step(wait)], wait["until"], now),
    ),
    ...clocks.map((timer) => waitRow("timer", String(timer["timer"]), ["of ", step(timer)], timer["dueAt"], now)),
  ];
  fill("waiting", rows, "No signal, no timer.", rows.length === 0 ? "" : numbers.format(rows.length));
}

/** Rows of the list of steps, by name, with the value that each one shows. @type {Map<string, { readonly row: HTMLElement, readonly of: unknown }>} */
const stepRows = new Map();

const stepStates = new Map(data.steps.map((step) => [step.name, step]));

/** Says in the chart how far a step is: which states are lit does not tell any more once the run went on. @param {string} name @param {Members} step */
function mark(name, step) {
  const states = stepStates.get(name);
  drawn.get(states?.run ?? -1)?.setAttribute("data-phase", phaseOf(step));
  drawn.get(states?.undo ?? -1)?.setAttribute("data-phase", String(step["undo"] ?? ""));
}

/** @param {string} name @param {Members} step */
function stepRow(name, step) {
  const phase = phaseOf(step);
  const began = instant(step["startedAt"]);
  const ended = instant(step["completedAt"]);
  const took = began === undefined || ended === undefined ? "" : duration(ended - began);
  const attempt = typeof step["attempt"] === "number" && step["attempt"] > 1 ? `attempt ${step["attempt"]}` : "";
  const undo = { running: "being undone", done: "undone", failed: "not undone" }[String(step["undo"])];
  const notes = [attempt, took].filter((note) => note !== "").join(", ");
  const outcome = step["error"] ?? step["result"];
  const failed = listOf(step["failedAttempts"]);
  return make("div", { class: "step" }, [
    make("span", { class: "name" }, [name]),
    make("small", {}, [notes]),
    make("span", { class: `status ${phase}` }, [phase]),
    ...(undo === undefined ? [] : [make("span", { class: "status undo" }, [undo])]),
    ...(outcome === undefined || outcome === null
      ? []
      : [make("div", { class: step["error"] === outcome ? "outcome error" : "outcome" }, [valueOf(outcome)])]),
    ...failed.map((one) => make("div", { class: "outcome" }, [failedAttempt(one)])),
  ]);
}

/** An attempt that failed: its error, folded. @param {Members} one */
function failedAttempt(one) {
  const what = one["kind"] === "undo" ? "undo, attempt" : "attempt";
  const title = `${what} ${String(one["attempt"])}: ${isMembers(one["error"]) ? String(one["error"]["name"]) : "failed"}`;
  return folded(title, () => [make("pre", { class: "stack" }, [errorText(one["error"])])]);
}

/** An error with its stack, its code, its members and its causes, for people. @param {unknown} error @returns {string} */
function errorText(error) {
  if (!isMembers(error)) return "";
  const head = `${String(error["name"])}: ${String(error["message"])}`;
  const more = [
    ...(error["code"] === undefined ? [] : [`code: ${String(error["code"])}`]),
    ...(isMembers(error["members"]) ? [JSON.stringify(error["members"], null, 2)] : []),
  ];
  const causes = [error["cause"], ...(Array.isArray(error["errors"]) ? error["errors"] : [])].filter(isMembers);
  const stack = typeof error["stack"] === "string" ? error["stack"] : head;
  return [stack, ...more, ...causes.map((cause) => `caused by ${errorText(cause)}`)].join("\n");
}

/** The error of the last attempt of a step, or of its undo, that failed. @param {number} index @param {string} kind @param {unknown} name */
function lastError(index, kind, name) {
  const steps = details[index]?.["steps"];
  const step = isMembers(steps) && Object.hasOwn(steps, String(name)) ? steps[String(name)] : undefined;
  const attempts = isMembers(step) ? listOf(step["failedAttempts"]).filter((one) => one["kind"] === kind) : [];
  const text = errorText(attempts.at(-1)?.["error"]);
  return text === "" ? [] : [make("pre", { class: "stack" }, [text])];
}

/** @param {Members} step */
const phaseOf = (step) => String(step["phase"] ?? step["status"] ?? "pending");

/** @param {number} index */
function showSteps(index) {
  const steps = isMembers(details[index]?.["steps"]) ? details[index]["steps"] : {};
  const names = [...new Set([...stepStates.keys(), ...Object.keys(steps)])];
  let done = 0;
  for (const name of names) {
    const of = Object.hasOwn(steps, name) ? steps[name] : undefined;
    const step = isMembers(of) ? of : {};
    if (phaseOf(step) === "completed") done += 1;
    const known = stepRows.get(name);
    // Rows that say the same are left alone, so that what was unfolded stays so.
    if (known !== undefined && known.of === of) continue;
    mark(name, step);
    const row = stepRow(name, step);
    if (known === undefined) part("steps").append(row);
    else known.row.replaceWith(row);
    stepRows.set(name, { row, of });
  }
  part("steps-count").textContent = `${numbers.format(done)} of ${numbers.format(names.length)} completed`;
}

const ELSEWHERE = new Set(["data", "steps", "timers", "waits", "error", "compensationErrors"]);
/** What the two last panels show. */
const panels = { input: "?", more: "?" };

/** Why the run is as it is, when something went wrong. @param {number} index */
function showError(index) {
  const { error, compensationErrors } = details[index] ?? {};
  const lines = (isMembers(error) ? [error] : []).map((why) =>
    make("p", {}, [
      make("b", {}, [[why["type"], why["step"]].filter(Boolean).join(" in ")]),
      ` ${String(why["message"])}`,
    ]),
  );
  if (isMembers(error) && error["step"] !== undefined) lines.push(...lastError(index, "run", error["step"]));
  for (const why of listOf(compensationErrors))
    lines.push(
      make("p", {}, [make("b", {}, [`${String(why["step"])} is not undone`]), ` ${String(why["message"])}`]),
      ...lastError(index, "undo", why["step"]),
    );
  part("error").replaceChildren(...lines);
  part("error").hidden = lines.length === 0;
}

/** The input, and everything that has no place of its own. @param {number} index */
function showData(index) {
  const { data: input, ...rest } = details[index] ?? {};
  const more = Object.entries(rest).filter(([name, value]) => !ELSEWHERE.has(name) && !isEmpty(value));
  refill("input", input, () => (isMembers(input) ? membersOf(Object.entries(input)) : [valueOf(input)]));
  refill("more", more, () => membersOf(more));
}

/** Fills a panel, but leaves it alone while it says the same, so that what was unfolded stays so. @param {"input" | "more"} id @param {unknown} value @param {() => readonly Node[]} draw */
function refill(id, value, draw) {
  const text = JSON.stringify(value) ?? "";
  if (text === panels[id]) return;
  panels[id] = text;
  fill(id, isEmpty(value) ? [] : draw(), "None.");
}

/** @param {unknown} value */
function isEmpty(value) {
  return value === null || value === undefined || (typeof value === "object" && Object.keys(value).length === 0);
}

// ------------------------------------------------------------------ the frame that is shown

const slider = /** @type {HTMLInputElement} */ (part("slider"));

/** Shows a frame. Whoever goes to the newest one follows the run from there on. @param {number} index */
function go(index) {
  const next = Math.min(Math.max(0, index), frames.length - 1);
  shown.following = next === frames.length - 1;
  if (next !== shown.at) {
    shown.at = next;
    light(next);
    showChanges(next);
    showError(next);
    showWaiting(next);
    showSteps(next);
    showData(next);
    revealRow(next);
    const hash = shown.following ? "" : `#${next + 1}`;
    // Some browsers refuse this for files; then the address only does not follow.
    try {
      history.replaceState(null, "", `${location.pathname}${location.search}${hash}`);
    } catch {}
  }
  showRows();
  showPlace();
}

/** Where in the run the page is: header, buttons, slider. */
function showPlace() {
  const frame = /** @type {PageFrame} */ (frames[shown.at]);
  const first = frames[0]?.at ?? null;
  const newest = frames.length - 1;
  document.body.dataset["frame"] = String(shown.at + 1);
  slider.max = String(newest);
  slider.value = String(shown.at);
  slider.disabled = newest === 0;
  const place = `${numbers.format(shown.at + 1)} of ${numbers.format(frames.length)}`;
  slider.setAttribute("aria-valuetext", `${place}: ${headline(shown.at)}, ${frame.status}`);
  part("place").textContent = place;
  part("event").textContent = frame.events.join(" · ") || headline(shown.at);
  const time = /** @type {HTMLTimeElement} */ (part("time"));
  time.textContent =
    frame.at === null ? "" : `${clock.format(frame.at)}${first === null ? "" : `  +${duration(frame.at - first)}`}`;
  time.dateTime = frame.at === null ? "" : new Date(frame.at).toISOString();
  time.title = time.dateTime;
  const status = part("status");
  status.textContent = frame.status;
  status.className = `status ${frame.status}`;
  for (const id of ["first", "back"]) disable(id, shown.at === 0);
  for (const id of ["on", "newest"]) disable(id, shown.at === newest);
  const note =
    frame.note ?? (frame.live === null ? "No state is known here: another program dropped the machine." : "");
  part("note").textContent = note;
  part("note").hidden = note === "";
  showFollowing();
}

/** Looks and answers as disabled but keeps the focus, so that the keyboard does not lose its place. @param {string} id @param {boolean} off */
function disable(id, off) {
  part(id).setAttribute("aria-disabled", String(off));
}

const OVER = new Set(["completed", "failed", "cancelled"]);
let connected = true;

function showFollowing() {
  const behind = frames.length - 1 - shown.at;
  const over = OVER.has(frames.at(-1)?.status ?? "");
  const mode = !data.live ? "saved" : !connected ? "lost" : !shown.following ? "behind" : over ? "over" : "following";
  const words = {
    saved: "a saved copy",
    lost: "not connected; it tries again",
    behind: `${numbers.format(behind)} behind`,
    over: "the run is over",
    following: "live, following",
  };
  document.body.dataset["mode"] = mode;
  if (part("mode").textContent !== words[mode]) part("mode").textContent = words[mode];
  part("follow").hidden = !data.live || shown.following;
}

// ------------------------------------------------------------------ hands and keys

const moves = {
  first: () => go(0),
  back: () => go(shown.at - 1),
  on: () => go(shown.at + 1),
  newest: () => go(frames.length - 1),
};
for (const [id, move] of Object.entries(moves)) part(id).addEventListener("click", move);
part("follow").addEventListener("click", () => {
  moves.newest();
  part("newest").focus();
});
slider.addEventListener("input", () => go(Number(slider.value)));
list.addEventListener("scroll", showRows, { passive: true });
part("smaller").addEventListener("click", () => zoomBy(0.8));
part("larger").addEventListener("click", () => zoomBy(1.25));
part("fit").addEventListener("click", () => setZoom("fit"));
new ResizeObserver(() => {
  showRows();
  if (zoom === "fit") setZoom("fit");
}).observe(chart);
new ResizeObserver(showRows).observe(list);

/** @type {Readonly<Record<string, () => void>>} */
const keys = {
  ArrowLeft: moves.back,
  ArrowRight: moves.on,
  Home: moves.first,
  End: moves.newest,
  PageUp: () => go(shown.at - 10),
  PageDown: () => go(shown.at + 10),
  "+": () => zoomBy(1.25),
  "-": () => zoomBy(0.8),
  0: () => setZoom("fit"),
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
  // The slider has these keys by itself.
  if (event.target === slider && !["+", "-", "0"].includes(event.key)) return;
  const inList = event.target === list;
  const move =
    inList && event.key === "ArrowUp" ? moves.back : inList && event.key === "ArrowDown" ? moves.on : keys[event.key];
  if (move === undefined) return;
  event.preventDefault();
  move();
});
chart.addEventListener("keydown", (event) => {
  if (!event.shiftKey) return;
  const by = { ArrowLeft: [-80, 0], ArrowRight: [80, 0], ArrowUp: [0, -80], ArrowDown: [0, 80] };
  const [left, top] = by[/** @type {keyof typeof by} */ (event.key)] ?? [];
  if (left === undefined) return;
  event.preventDefault();
  chart.scrollBy({ left, top: top ?? 0 });
});
window.addEventListener("hashchange", () => go(asked() ?? frames.length - 1));

/** The frame that the address names. */
function asked() {
  const named = /^#([1-9]\d{0,8})$/.exec(location.hash)?.[1];
  return named === undefined ? undefined : Number(named) - 1;
}

// ------------------------------------------------------------------ new frames

/** @param {PageNews} news */
function take(news) {
  // A server that was started again may show another run at the same address; a run may go on by another plan.
  const same = news.id === data.id && news.stateCount === data.states.length && news.from <= frames.length;
  if (!same) return location.reload();
  const fresh = news.frames.slice(frames.length - news.from);
  if (fresh.length === 0) return;
  const { following } = shown;
  frames.push(...fresh);
  learn();
  if (following) go(frames.length - 1);
  else {
    showRows();
    showPlace();
  }
}

function follow() {
  const source = new EventSource(`follow?from=${frames.length}`);
  source.addEventListener("frames", (event) => take(JSON.parse(event.data)));
  source.addEventListener("open", () => {
    connected = true;
    showFollowing();
  });
  source.addEventListener("error", () => {
    connected = false;
    showFollowing();
  });
}

go(asked() ?? frames.length - 1);
setZoom("fit");
if (data.live) follow();
