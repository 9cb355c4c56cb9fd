import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { TestServer } from '../../../support/server.ts';
import { makeSmallImage } from '../../../support/small-images.ts';
import { headwater } from '../../command-line.ts';

/** Commands on a new data directory, or on a server. */
async function site(kind: 'a data directory' | 'a server') {
  const directory = await mkdtemp(join(tmpdir(), 'headwater-remove-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  let where: string[] = [];
  if (kind === 'a server') {
    const server = await TestServer.start();
    const { secret } = await server.workspace.catalog.tokens.create({ name: 'admin', actions: ['admin'] });
    where = ['--server', server.url(''), '--insecure', '--token', secret];
  }
  return async (...words: string[]) => await headwater([...words, ...where], { cwd: directory });
}

async function files(properties: Record<string, string>): Promise<string[]> {
  const image = await makeSmallImage({ properties });
  onTestFinished(() => rm(image.directory, { recursive: true }));
  return [image.metadata, image.root];
}

test.each(['a data directory', 'a server'] as const)(
  'on %s, an alias whose last version is removed is gone for alias list, show and publish',
  async (kind) => {
    const run = await site(kind);
    const names = async () =>
      (JSON.parse((await run('alias', 'list', '--json')).stdout) as { name: string }[]).map(
        ({ name }) => name,
      );
    await run('publish', ...(await files({ serial: '20260101_0000' })), '--alias', 'team/app');
    await run('publish', ...(await files({ serial: '20260102_0000' })));
    expect((await run('remove', 'team/app@20260102_0000')).code).toBe(0);
    expect(await names()).toContain('team/app');
    expect((await run('remove', 'team/app')).code).toBe(0);
    expect(await names()).toEqual([]);
    expect((await run('show', 'team/app')).code).toBe(4);
    const other = await files({ release: 'trixie' });
    expect(await run('publish', ...other, '--alias', 'team/app')).toMatchObject({ code: 0 });
    expect((await run('show', 'team/app')).stdout).toContain('debian:trixie:amd64:default');
  },
);
