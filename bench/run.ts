import { benchBundle } from './bundle.ts';
import { benchCatalog } from './catalog.ts';
import { benchMirror } from './mirror.ts';
import { benchOci } from './oci.ts';
import { benchPublish } from './publish.ts';
import { benchPush } from './push.ts';
import { benchScrub } from './scrub.ts';
import { benchServe } from './serve.ts';
import { benchSign } from './sign.ts';
import { benchSoak } from './soak.ts';

const benches: Record<string, () => Promise<void>> = {
  publish: benchPublish,
  push: benchPush,
  serve: benchServe,
  catalog: benchCatalog,
  mirror: benchMirror,
  sign: benchSign,
  oci: benchOci,
  scrub: benchScrub,
  bundle: benchBundle,
};

/** Those that run for so long that they are only run when asked for, with their minutes as an argument. */
const longBenches: Record<string, (minutes: number) => Promise<void>> = { soak: benchSoak };

let isFinished = false;
process.once('exit', () => {
  if (isFinished) return;
  console.error('the benchmark ended before it was finished: its figures are incomplete');
  // Also where nothing was left to wait for, which is no error to Node.js.
  process.exitCode ||= 1;
});
for (const [signal, number] of Object.entries({ SIGHUP: 1, SIGINT: 2, SIGTERM: 15 })) {
  process.once(signal, () => {
    console.error(`ended by ${signal}`);
    process.exit(128 + number);
  });
}

const [first = '', minutes = '60'] = process.argv.slice(2);
const longBench = longBenches[first];
if (longBench === undefined) {
  await runBenches(process.argv.slice(2));
} else if (!/^\d+(\.\d+)?$/.test(minutes) || Number(minutes) <= 0) {
  console.error(`${first}: expected a number of minutes, not ${minutes}`);
  process.exitCode = 2;
} else {
  await longBench(Number(minutes));
}
isFinished = true;

async function runBenches(wanted: string[]): Promise<void> {
  const unknown = wanted.filter((name) => !(name in benches));
  if (unknown.length > 0) {
    const known = [...Object.keys(benches), ...Object.keys(longBenches)];
    console.error(`there is no benchmark ${unknown.join(', ')}: choose from ${known.join(', ')}`);
    process.exitCode = 2;
    return;
  }
  for (const [name, bench] of Object.entries(benches)) {
    if (wanted.length === 0 || wanted.includes(name)) await bench();
  }
}
