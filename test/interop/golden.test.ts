/** The recorded objects are what the real package writes today: it is had to write them again. */
import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { goldenObject } from "../golden.ts";
import { recordGolden, type Recording, shapeOf } from "./golden-recorder.ts";
import { openServer, whyNoInterop } from "./server.ts";

test.skipIf(whyNoInterop() !== undefined)(
  "every object that Python writes has the shape of the one that is stored",
  async () => {
    const server = await openServer();
    const recordings = await recordGolden(server);
    await server.stop();
    const named = ({ folder, name }: Recording): string => `${folder}/${name}`;
    const stored = recordings.filter((made) => existsSync(`test/golden/${named(made)}.json`));
    expect(stored.map(named)).toEqual(recordings.map(named));
    for (const made of stored)
      expect.soft(shapeOf(made), named(made)).toBe(shapeOf(goldenObject(made.folder, made.name)));
  },
);
