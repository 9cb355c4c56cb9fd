import { onTestFinished } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import type { MirrorDefinition } from '../../src/config/mirror-schema.ts';
import type { MirrorServices } from '../../src/mirror/mirror-services.ts';
import type { ProductWithVersions } from '../../src/model/versions.ts';
import type { ImageRules } from '../../src/publish/judge.ts';
import { openWorkspace, type Workspace } from '../../src/server/workspace.ts';
import { asTestActor, scratchDirectory } from '../support/catalog.ts';

/** A data directory for mirrors, which goes when the test is over. */
export async function mirrorServices(
  dataDir?: string,
  imageRules: ImageRules = {},
): Promise<MirrorServices & Pick<Workspace, 'intake'>> {
  const overrides = { dataDir: dataDir ?? (await scratchDirectory()), imageRules };
  const config = loadConfig({ env: {}, overrides });
  const workspace = asTestActor(await openWorkspace(config));
  onTestFinished(() => workspace.close());
  return { ...workspace, dataDir: config.dataDir };
}

/** A definition with nothing special in it. */
export function definition(url: string, changes: Partial<MirrorDefinition> = {}): MirrorDefinition {
  return {
    name: 'test',
    file: 'mirrors/test.yaml',
    enabled: true,
    url,
    fallback: [],
    ...(changes.keyring === undefined ? { unsigned: true } : {}),
    select: [{}],
    variant: 'default',
    deltas: true,
    keep: { versions: 3, removed: 'keep' },
    stream: 'images',
    mode: 'scheduled',
    timezone: 'UTC',
    jitter: 0,
    concurrency: 4,
    maxShrink: 50,
    ...changes,
  };
}

/** What is in the catalog: product and serial of every version that is announced. */
export async function held(parts: MirrorServices): Promise<string[]> {
  const all: string[] = [];
  for await (const { name, versions } of parts.catalog.products.each()) {
    all.push(...versions.map(({ serial }) => `${name}@${serial}`));
  }
  return all;
}

/** A product with its versions. */
export async function find(parts: MirrorServices, name: string): Promise<ProductWithVersions> {
  const product = await parts.catalog.products.find({ stream: 'images', name });
  if (product === undefined) throw new Error(`there is no product ${name}`);
  return product;
}
