/** Reads a snapshot without the program of its run. */
export { marksOf } from "../../machines/plan/marks.ts";
