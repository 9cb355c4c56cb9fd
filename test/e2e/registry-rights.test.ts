import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Client, emptyDaemons, trustedTls } from '../support/daemons.ts';
import { digestOf, smallImage } from '../support/images.ts';
import { Headwater } from './headwater.ts';
import { joinRegistry } from './registry.ts';

const [team, app] = [new Client('lxd'), new Client('incus')];

let scratch: string;
let headwater: Headwater;

beforeAll(async () => {
  scratch = await mkdtemp(path.join(tmpdir(), 'headwater-rights-'));
  headwater = await Headwater.create({ tls: trustedTls });
  await headwater.start(trustedTls.certificate);
  await joinRegistry(team, headwater, 'rights', '--name-pattern', 'team/*');
  await joinRegistry(app, headwater, 'rights', '--name-pattern', 'app/*');
});

afterAll(async () => {
  await emptyDaemons();
  await headwater.remove();
  await rm(scratch, { recursive: true, force: true });
});

test('two clients, each with names of its own, import the same image: one in private, one for everybody', async () => {
  const files = await someImage();
  const fingerprint = await digestOf(...files);
  await team.run('image', 'import', ...files, 'rights:', '--alias', 'team/priv', 'note=secret');
  await app.run('image', 'import', ...files, 'rights:', '--alias', 'app/x', '--public');

  const answer = await headwater.fetch(`/1.0/images/${fingerprint}`);
  const text = await answer.text();
  expect(JSON.parse(text)).toMatchObject({ metadata: { public: true, aliases: [{ name: 'app/x' }] } });
  expect(text).not.toContain('secret');
  expect(await (await headwater.fetch('/streams/v1/pushed.json')).text()).not.toContain('team');

  const taken = await app.attempt('image', 'alias', 'create', 'rights:team/x', fingerprint);
  expect(taken.code).not.toBe(0);
  expect(taken.stderr).toContain('is for the names app/* only, not for team/x');
  await app.run('image', 'delete', 'rights:app/x');
  expect(await team.run('image', 'show', 'rights:team/priv')).toContain('note: secret');
  await team.run('image', 'set-property', 'rights:team/priv', 'note', 'mine');
  await team.run('image', 'delete', 'rights:team/priv');
  expect(await team.images('rights')).toEqual([]);
});

test.each([
  ['team/only', team],
  ['app/only', app],
])('a launch of %s into the registry is refused in words', async (alias, client) => {
  await client.run('image', 'import', ...(await someImage()), 'rights:', '--alias', alias);
  for (const command of [
    ['profile', 'list', 'rights:'],
    ['launch', `rights:${alias}`, 'rights:'],
  ]) {
    const refused = await client.attempt(...command);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain('this is an image registry');
  }
});

/** A split image that no other test has. */
async function someImage(): Promise<[string, string]> {
  const directory = await mkdtemp(path.join(scratch, 'image-'));
  return await smallImage(directory, { properties: { os: 'Debian', release: 'bookworm' } });
}
