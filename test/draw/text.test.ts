/** Texts fit the room that they are given. */
import { expect, test } from "vitest";
import { seededRandom } from "../../src/host/seeded.ts";
import { measure, printable, wrap } from "../../src/draw/text.ts";
import { HOSTILE } from "./shapes.ts";

const SEED = 11;
const lines = (text: string, room: number, lines = 3): readonly string[] =>
  wrap(text, { size: 10, room, lines }).map(({ text }) => text);

test("a text is broken where people would break it", () => {
  expect(lines("send_confirmation_mail", 70)).toEqual(["send_", "confirmation_", "mail"]);
  expect(lines("sendConfirmationMail", 80)).toEqual(["send", "Confirmation", "Mail"]);
  expect(lines("ship it now", 40)).toEqual(["ship it", "now"]);
  expect(lines("short", 90)).toEqual(["short"]);
});

test("what is too much ends in an ellipsis; characters of several parts stay whole", () => {
  expect(lines("x".repeat(200), 60, 2)).toEqual(["x".repeat(11), `${"x".repeat(9)}…`]);
  const family = "👨‍👩‍👧‍👦";
  for (const line of lines(family.repeat(50), 60, 2)) expect(line.replaceAll(family, "")).toMatch(/^…?$/);
});

test("no line is wider than its room, whatever the text", () => {
  const { next } = seededRandom(SEED);
  const pick = (text: string): string => text[Math.floor(next() * text.length)] ?? "";
  const alphabet = "abcXYZ_-. /WiIl1é漢字🦀\u202E\u0301\uD800\n";
  const texts = [
    ...HOSTILE,
    ...Array.from({ length: 300 }, () => Array.from({ length: 60 }, () => pick(alphabet)).join("")),
  ];
  for (const text of texts)
    for (const room of [30, 80, 168])
      for (const line of wrap(text, { size: 13, room, lines: 3 })) {
        expect(measure(line.text, 13), `${JSON.stringify(text)} (seed ${SEED})`).toBeLessThanOrEqual(room);
        expect(line.width).toBeLessThanOrEqual(room);
      }
});

test("nothing is lost but what an ellipsis stands for", () => {
  for (const text of HOSTILE) {
    const shown = wrap(text, { size: 10, room: 100, lines: 1_000 });
    expect(
      shown
        .map((line) => line.text)
        .join("")
        .replaceAll(/\s/g, ""),
    ).toBe(printable(text).replaceAll(/\s/g, ""));
  }
});
