import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Catalog } from '../../../../src/catalog/catalog.ts';
import { draft, stored, testActor } from '../../../support/catalog.ts';
import { TestServer } from '../../../support/server.ts';
import { headwater } from '../../command-line.ts';

const name = 'debian:bookworm:amd64:default';

async function fill(catalog: Catalog): Promise<void> {
  for (const stream of ['nightly', 'stable']) {
    await catalog.by(testActor).versions.publish(draft({ stream, implied: ['debian/bookworm'] }), stored);
  }
}

/** Arguments that name the data directory of two streams with the same product, or a server on one. */
async function places(): Promise<string[][]> {
  const directory = await mkdtemp(join(tmpdir(), 'headwater-same-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const catalog = await Catalog.open(join(directory, 'catalog.db'));
  await fill(catalog);
  await catalog.close();
  const server = await TestServer.start();
  await fill(server.workspace.catalog);
  const token = await server.token(['publish', 'remove']);
  return [
    ['--data-dir', directory],
    ['--server', server.url(''), '--insecure', '--token', token],
  ];
}

test('a name that several streams have is refused with the candidates, and found with its stream in front', async () => {
  for (const place of await places()) {
    const run = async (...args: string[]) => await headwater([...args, ...place]);
    for (const reference of [name, 'debian/bookworm', 'debian/bookworm/amd64']) {
      const refused = await run('show', reference);
      expect(refused.code).not.toBe(0);
      expect(refused.stderr).toContain(`nightly/${reference} or stable/${reference}`);
      const shown = JSON.parse((await run('show', `stable/${reference}`, '--json')).stdout) as object[];
      expect(shown).toMatchObject([{ stream: 'stable', product: name }]);
    }
    expect((await run('alias', 'set', 'tested', 'debian:bookworm:default')).stderr).toContain(
      'nightly/debian:bookworm:*:default or stable/debian:bookworm:*:default',
    );
    expect((await run('alias', 'set', 'tested', 'stable/debian:bookworm:default')).code).toBe(0);
    expect((await run('alias', 'set', 'candidate', 'nightly/debian/bookworm')).code).toBe(0);
    expect((await run('alias', 'unset', 'debian/bookworm')).stderr).toContain('stable/debian/bookworm');
    expect((await run('alias', 'unset', 'nightly/debian/bookworm')).code).toBe(0);
    const { stdout } = await run('alias', 'list', '--json');
    const aliases = JSON.parse(stdout) as { name: string; stream: string }[];
    expect(aliases.map((alias) => `${alias.stream} ${alias.name}`)).toEqual([
      'nightly candidate',
      'stable debian/bookworm',
      'stable tested',
    ]);
    const removed = await run('remove', `nightly/${name}`, '--json');
    expect(JSON.parse(removed.stdout)).toEqual({
      removed: [{ stream: 'nightly', product: name, serial: '20260101_0000' }],
    });
    expect(JSON.parse((await run('show', name, '--json')).stdout)).toMatchObject([{ stream: 'stable' }]);
  }
});

test('an image that several streams have is named by its stream, not by its fingerprint', async () => {
  const fingerprint = draft().items[1]?.fingerprint ?? '';
  for (const place of await places()) {
    const { code, stderr } = await headwater(['show', fingerprint.slice(0, 12), ...place]);
    expect(code).not.toBe(0);
    expect(stderr).toContain(`nightly/${name}@20260101_0000`);
    expect(stderr).toContain(`stable/${name}@20260101_0000`);
  }
});
