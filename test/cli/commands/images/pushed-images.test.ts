import { expect, test } from 'vitest';
import { ended, type ImageBytes, makeImage, upload } from '../../../support/push-images.ts';
import { RegistryClient } from '../../../support/registry-client.ts';
import { TestServer } from '../../../support/server.ts';
import { headwater } from '../../command-line.ts';

async function push(client: RegistryClient, image: ImageBytes, alias?: string): Promise<void> {
  const headers = alias === undefined ? {} : { 'x-incus-aliases': `alias=${encodeURIComponent(alias)}` };
  await ended(client, await upload(client, image, headers));
}

test('pushed images go by their alias, and who pushed them is told to this machine and to administrators', async () => {
  const server = await TestServer.start({ streams: { pushed: { public: true } } });
  const laptop = await RegistryClient.joined(server, { name: 'laptop' });
  const [named, unnamed] = [await makeImage(), await makeImage()];
  await push(laptop, named, 'team/app');
  await push(laptop, unnamed);
  const run = async (...args: string[]) => await headwater(args);
  const here = ['--data-dir', server.config.dataDir];

  const list = (await run('list', ...here)).stdout.split('\n');
  expect(list[0]).toMatch(/^PRODUCT +PUSHED BY +SERIAL +STREAM /);
  expect(list.filter((line) => line.includes('client:laptop'))).toEqual([
    expect.stringMatching(new RegExp(`^${unnamed.fingerprint.slice(0, 12)} +client:laptop `)),
    expect.stringMatching(/^team\/app\/amd64 +client:laptop /),
  ]);
  const shown = (await run('show', 'team/app/amd64', ...here)).stdout;
  expect(shown).toMatch(/^aliases: +team\/app\n/);
  expect(shown).toMatch(/published: +.* UTC by client:laptop\n/);

  const { catalog } = server.workspace;
  const tell = async (rights: Parameters<typeof catalog.tokens.create>[0]) => {
    const { secret } = await catalog.tokens.create(rights);
    const { stdout } = await run(
      'list',
      '--json',
      '--server',
      server.url(''),
      '--insecure',
      '--token',
      secret,
    );
    const versions = JSON.parse(stdout) as { aliases: string[]; pushedBy?: string }[];
    return versions.find(({ aliases }) => aliases.includes('team/app'))?.pushedBy;
  };
  expect(await tell({ name: 'administrator', actions: ['admin'] })).toBe('client:laptop');
  expect(await tell({ name: 'reader', actions: ['read'] })).toBeUndefined();
  expect(await tell({ name: 'publisher', actions: ['publish', 'remove'] })).toBeUndefined();
  const { secret } = await catalog.tokens.create({ name: 'shown', actions: ['read'] });
  const text = (await run('show', 'team/app', '--server', server.url(''), '--insecure', '--token', secret))
    .stdout;
  expect(text).toMatch(/published: +.* UTC\n/);
  expect(text).not.toContain('laptop');
});
