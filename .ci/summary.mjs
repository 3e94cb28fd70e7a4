// Names every test that failed, with the start of its message, and ends with "N passed, N failed".
import { readFileSync } from "node:fs";
const [, , file, failedParts] = process.argv;
/**
 * @typedef {{ status: string, fullName: string, failureMessages: string[] }} Assertion
 * @typedef {{ name: string, message: string, assertionResults: Assertion[] }} File
 * @type {{ numPassedTests: number, numFailedTests: number, numPendingTests: number, testResults: File[] }}
 */
let report = { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, testResults: [] };
try {
  report = JSON.parse(readFileSync(file, "utf8"));
} catch (error) {
  console.log(`no report of the tests: ${String(error)}`);
}
for (const { name, message, assertionResults } of report.testResults) {
  const failures = assertionResults.filter(({ status }) => status === "failed");
  if (failures.length === 0 && message) console.log(`\nFAIL ${name}\n${message.slice(0, 2000)}`);
  for (const { fullName, failureMessages } of failures)
    console.log(`\nFAIL ${name} > ${fullName}\n${failureMessages.join("\n").slice(0, 2000)}`);
}
const { numPassedTests: passed, numFailedTests, numPendingTests: skipped } = report;
// A failed part is one failure; the part "tests" is counted by its tests where they say so.
const failed = numFailedTests > 0 ? numFailedTests + Number(failedParts) - 1 : Number(failedParts);
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
process.exit(failed > 0 ? 1 : 0);
