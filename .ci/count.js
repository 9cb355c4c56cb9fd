// Adds up what vitest's JSON reports say: node .ci/count.js BROKEN REPORT…, where BROKEN is how many steps ended
// with an error. Skipped tests, files that could not be loaded, reports that are missing or empty, and steps that
// broke without a failed test to show for it are failures too.
import { readFileSync } from 'node:fs';
import path from 'node:path';

const [broken = '0', ...reports] = process.argv.slice(2);
let passed = 0;
let failed = 0;

for (const file of reports) {
  const { outcomes, defects } = read(file);
  const count = (outcome) => outcomes.filter((test) => test.outcome === outcome).length;
  const bad = outcomes.filter((test) => test.outcome !== 'passed');
  passed += outcomes.length - bad.length;
  failed += bad.length + defects.length;
  console.log(
    `${path.basename(file, '.json')}: ${count('passed')} passed, ${count('failed')} failed, ` +
      `${bad.length - count('failed')} skipped`,
  );
  for (const { outcome, name } of bad) console.log(`  ${outcome}: ${name}`);
  for (const defect of defects) console.log(`  ${defect}`);
}
if (failed === 0) failed += Number(broken);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;

/** The outcome of every test in a report, and what is wrong beside tests that did not pass. */
function read(file) {
  let report;
  try {
    report = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    return { outcomes: [], defects: [`no report: ${error.message}`] };
  }
  const outcomes = [];
  const defects = [];
  for (const { name, status, message, assertionResults } of report.testResults) {
    const place = path.relative(process.cwd(), name);
    for (const { status: outcome, fullName } of assertionResults) {
      outcomes.push({ outcome, name: `${place}: ${fullName}` });
    }
    if (status !== 'passed' && assertionResults.every((result) => result.status === 'passed')) {
      defects.push(`${place}: ${message || 'could not be run'}`);
    }
  }
  if (outcomes.length === 0) defects.push('no tests ran');
  return { outcomes, defects };
}
