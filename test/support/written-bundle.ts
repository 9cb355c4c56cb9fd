import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';

import { beginBundle, writeBundle } from '../../src/bundle/create/create.ts';
import { planBundle } from '../../src/bundle/create/plan.ts';
import type { CheckSignature } from '../../src/bundle/verify/open-bundle.ts';
import { HeadwaterError } from '../../src/errors.ts';
import { parseDigest } from '../../src/model/digest.ts';
import { scratchCatalog } from './catalog.ts';
import { MemoryStore } from './memory-store.ts';

const signature = 'a good signature\n';

/** Accepts the signatures of {@link writtenBundle}. */
export const checkWritten: CheckSignature = async (_, found, where) => {
  if (Buffer.from(found).toString() === signature) return 'the key of a test';
  throw new HeadwaterError('invalid', `${where}: refused`);
};

/**
 * Writes a bundle of one version, whose roots take a volume each.
 * @param output the directory on the medium
 * @returns the directory of the bundle
 */
export async function writtenBundle(
  output: string,
  { sequence = 1, volumes = 3 }: { sequence?: number; volumes?: number } = {},
): Promise<string> {
  const store = new MemoryStore();
  const blobs: { digest: string; size: number }[] = [];
  for (let volume = 0; volume < volumes; volume++) {
    const bytes = randomBytes(1_200_000);
    const digest = createHash('sha256').update(bytes).digest('hex');
    await store.write(Readable.from([bytes]), { digest: parseDigest(digest), size: bytes.length });
    blobs.push({ digest: `sha256:${digest}`, size: bytes.length });
  }
  const product = 'debian:bookworm:amd64:default';
  const manifest = planBundle(
    {
      products: [
        {
          ...{ name: product, stream: 'images', owner: 'local', osTitle: 'Debian', releaseTitle: 'bookworm' },
          ...{ requirements: {}, aliases: [] },
        },
      ],
      versions: [
        {
          ...{ stream: 'images', product, serial: '20260101_0000', label: 'release' },
          items: blobs.map((blob, at) => ({ type: 'squashfs', file: `f${at}`, ...blob })),
        },
      ],
      blobs,
    },
    {
      ...{ site: 'hq', to: 'vault-7', sequence, previous: null, created: new Date(), limit: 1_500_000 },
      sent: new Map(),
    },
  );
  const services = { catalog: await scratchCatalog(), store, sign: async () => signature };
  const { directory } = await writeBundle(await beginBundle(manifest, services), output, services);
  return directory;
}
