/** Which frame somebody means: by number, by version, by time. */
import { parseDuration } from "../wire/duration.ts";
import type { Frame, Timeline } from "../draw/timeline.ts";
import { WorkflowError } from "../errors.ts";
import { formatInstant, parseInstant } from "../wire/instant.ts";

/**
 * The position of the frame that a text names: a number from 1, or a negative one from the end; the store's id of a version; an instant
 * (RFC 3339), or a time ago such as `-5m`: then the frame that stood at that time.
 * @throws {WorkflowError} `invalid` when there is none, with what there is
 */
export function pickFrame(timeline: Timeline, text: string, nowMs: number): number {
  const { frames } = timeline;
  const byVersion = frames.findIndex(({ version }) => version === text);
  if (byVersion !== -1) return byVersion;
  if (/^-?\d{1,9}$/.test(text)) return byNumber(frames, Number(text));
  const at = instantOf(text, nowMs);
  if (at !== undefined) return byTime(frames, at);
  throw invalid(
    `${JSON.stringify(text)} names no version: write a number from 1 to ${frames.length} (-1 is the last), an instant like ${exampleOf(frames)}, a time ago like -5m, or the id that the store gave a version`,
  );
}

function byNumber(frames: readonly Frame[], number: number): number {
  const position = number < 0 ? frames.length + number : number - 1;
  if (frames[position] !== undefined) return position;
  const all = frames.length === 1 ? "1" : `${frames.length}`;
  throw invalid(`version ${number}: the run has ${all}${number === 0 ? ", counted from 1" : ""}`);
}

function instantOf(text: string, nowMs: number): number | undefined {
  if (/^-\d+(?:\.\d+)?[a-z]+$/.test(text)) return nowMs - parseDuration(text.slice(1));
  return parseInstant(text)?.ms;
}

/** The last frame that was written by then. */
function byTime(frames: readonly Frame[], at: number): number {
  const position = frames.findLastIndex((frame) => frame.at !== null && frame.at <= at);
  if (position !== -1) return position;
  throw invalid(`nothing is known of the run at ${formatInstant(at)}; its first version is of ${exampleOf(frames)}`);
}

function exampleOf(frames: readonly Frame[]): string {
  return formatInstant(frames[0]?.at ?? 0);
}

function invalid(message: string): WorkflowError {
  return new WorkflowError("invalid", message);
}
