/** What a snapshot says to who has no program of its run at hand. */
export { marksOf } from "../../machines/plan/marks.ts";
