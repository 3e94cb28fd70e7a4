/** A module with two workflows of one name, one of them there twice. */
import { workflow } from "../../src/index.ts";

export const first = workflow("same").step("a", () => 1);
export const all = [first];
export const other = workflow("same").step("b", () => 1);
