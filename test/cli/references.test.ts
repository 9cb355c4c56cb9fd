import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { LocalBackend } from '../../src/cli/backend/local-backend.ts';
import { resolveReference } from '../../src/cli/references.ts';
import { loadConfig } from '../../src/config/load.ts';
import { draft, openCatalog, scratchDirectory, sha256, stored } from '../support/catalog.ts';

const implied = ['debian/bookworm'];

/** Two architectures of Debian with two versions each, and Alpine. */
async function backend(): Promise<LocalBackend> {
  const dataDir = await scratchDirectory();
  const catalog = await openCatalog(join(dataDir, 'catalog.db'));
  for (const architecture of ['amd64', 'arm64']) {
    for (const serial of ['20260101_0000', '20260201_0000']) {
      await catalog.versions.publish(draft({ architecture, serial, implied }), stored);
    }
  }
  const alpine = { os: 'alpine', release: '3.21', architecture: 'amd64', variant: 'default' };
  await catalog.versions.publish(draft({ product: alpine, aliases: ['decade', 'a:b:c:d'] }), stored);
  const opened = await LocalBackend.open(loadConfig({ overrides: { dataDir }, env: {} }), { create: false });
  return opened;
}

async function resolved(reference: string): Promise<string[]> {
  const opened = await backend();
  try {
    const referents = await resolveReference(opened, reference);
    return referents.flatMap(({ versions }) => versions.map(({ product, serial }) => `${product}@${serial}`));
  } finally {
    await opened.close();
  }
}

const newest = '20260201_0000';
const oldest = '20260101_0000';
const fingerprint = sha256(
  `${JSON.stringify([{ os: 'debian', release: 'bookworm', architecture: 'arm64', variant: 'default' }, oldest])} both`,
);

describe('a reference', () => {
  test.each([
    [
      'debian/bookworm',
      ['amd64', 'arm64'].flatMap((name) =>
        [oldest, newest].map((serial) => `debian:bookworm:${name}:default@${serial}`),
      ),
    ],
    ['debian/bookworm/arm64', [oldest, newest].map((serial) => `debian:bookworm:arm64:default@${serial}`)],
    ['debian/bookworm/aarch64@20260201', [`debian:bookworm:arm64:default@${newest}`]],
    [
      'debian/bookworm@20260101_00:00',
      ['amd64', 'arm64'].map((name) => `debian:bookworm:${name}:default@${oldest}`),
    ],
    ['debian:bookworm:amd64:default@20260101_0000', [`debian:bookworm:amd64:default@${oldest}`]],
    ['Debian:Bookworm:x86_64:Default@202602010000', [`debian:bookworm:amd64:default@${newest}`]],
    [fingerprint, [`debian:bookworm:arm64:default@${oldest}`]],
    [fingerprint.slice(0, 12).toUpperCase(), [`debian:bookworm:arm64:default@${oldest}`]],
    ['a:b:c:d', ['alpine:3.21:amd64:default@20260101_0000']],
    // An alias that could be the digits of a fingerprint is an alias.
    ['decade', ['alpine:3.21:amd64:default@20260101_0000']],
  ])('%s', async (reference, expected) => {
    expect(await resolved(reference)).toEqual(expected);
  });

  test.each([
    ['', 'no image matches ""'],
    ['debian', 'no image matches "debian"'],
    ['debian/bookworm/riscv64', 'no image matches'],
    ['debian/bookworm/pdp11', 'no image matches'],
    ['debian:bookworm:amd64', 'no image matches'],
    ['abcde', 'no image matches'],
    ['ffffffffffff', 'no image matches'],
    ['a@20260101_0000@b', 'no image matches'],
    ['debian/bookworm@', 'serial ""'],
    ['debian/bookworm@yesterday', 'serial "yesterday"'],
    [
      'debian/bookworm@20250101_0000',
      `debian/bookworm has no version 20250101_0000; it has ${oldest}, ${newest}`,
    ],
  ])('%s leads nowhere', async (reference, message) => {
    await expect(resolved(reference)).rejects.toThrow(message);
  });
});
