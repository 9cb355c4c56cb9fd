// Runs everything that looks at the source without running it: the scripts `lint:…` of package.json. The type checker
// takes as long as all others together, so that it runs beside them. Prints what each has to say, and ends with 1 when
// one of them finds something.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

const { scripts } = JSON.parse(readFileSync('package.json', 'utf8'));
const names = Object.keys(scripts).filter((name) => name.startsWith('lint:'));
const types = 'lint:types';

const results = await Promise.all([inTurn([types]), inTurn(names.filter((name) => name !== types))]);
process.exitCode = results.flat().every((code) => code === 0) ? 0 : 1;

async function inTurn(these) {
  const codes = [];
  for (const name of these) codes.push(await run(name));
  return codes;
}

/** Runs one script, whose programs npm has put on the path. @returns its exit code */
async function run(name) {
  const child = spawn(scripts[name], { shell: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const output = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => output.push(bytes));
  const code = await new Promise((resolve) => child.once('close', resolve));
  process.stdout.write(`${name}: ${scripts[name]}\n${Buffer.concat(output)}`);
  return code;
}
