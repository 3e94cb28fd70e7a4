/** Plays any number of histories: `npm run simulate -- <count> <seed>`. */
import { playHistory, ROUGH } from "./fleet.ts";

const count = Number(process.argv[2] ?? 1_000);
const seed = process.argv[3] ?? "fleet";
let bad = 0;
for (let index = 0; index < count; index += 1) {
  const history = await playHistory(`${seed}-${index}`, { rates: ROUGH });
  if (history.problems.length === 0) continue;
  bad += 1;
  console.log(history.seed, JSON.stringify(history.struck));
  for (const problem of history.problems) console.log(`  ${problem}`);
}
console.log(`${count} histories, ${bad} with problems, seed ${seed}`);
process.exitCode = bad === 0 ? 0 : 1;
