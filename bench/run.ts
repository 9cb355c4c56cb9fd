import { benchCatalog } from './catalog.ts';
import { benchMirror } from './mirror.ts';
import { benchPublish } from './publish.ts';
import { benchPush } from './push.ts';
import { benchServe } from './serve.ts';

const benches: Record<string, () => Promise<void>> = {
  publish: benchPublish,
  push: benchPush,
  serve: benchServe,
  catalog: benchCatalog,
  mirror: benchMirror,
};

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in benches));
if (unknown.length > 0) {
  console.error(
    `there is no benchmark ${unknown.join(', ')}: choose from ${Object.keys(benches).join(', ')}`,
  );
  process.exit(2);
}
for (const [name, bench] of Object.entries(benches)) {
  if (wanted.length === 0 || wanted.includes(name)) await bench();
}
