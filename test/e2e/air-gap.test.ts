import { cp, mkdir, open, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { bootableImage } from '../support/bootable-image.ts';
import { Headwater } from './headwater.ts';
import { ImageServer } from './image-server.ts';
import { Inside } from './inside.ts';

// An outside with two mirrors of signed upstreams and a stream of its own, and an inside without a network.

/** Bytes of the roots: each takes several volumes of the second bundle. */
const bytes = 3_000_000;
const remote = 'site';

let outside: Headwater;
let inside: Inside;
const upstreams = new Map<string, ImageServer>();

const medium = (...names: string[]) => path.join(outside.directory, 'medium', ...names);
const work = (...names: string[]) => path.join(outside.directory, 'work', ...names);

/** A new version at an upstream. The marker is in its containers. */
async function release(upstream: string, os: string, made: string, marker: string): Promise<void> {
  const [, root] = await bootableImage(work(marker), { marker, bytes });
  await upstreams.get(upstream)?.add({ os, release: 'current', architecture: 'x86_64', made }, root);
}

/** A new version of the outside's own. */
async function publishOwn(serial: string, marker: string): Promise<void> {
  const files = await bootableImage(work(marker), { marker, os: 'Busybox', bytes });
  const named = ['--stream', 'own', '--create-stream', '--serial', serial];
  await outside.cli('publish', ...files, ...named);
}

async function mirrorRun(): Promise<void> {
  await outside.cli('mirror', 'run');
}

/** Writes the next bundle. @returns its directory */
async function createBundle(...args: string[]): Promise<string> {
  const created = await outside.cli('bundle', 'create', '--to', 'vault-7', ...args, medium(), '--json');
  return (JSON.parse(created) as { directory: string }).directory;
}

/** The serials of all versions inside, by product. */
async function held(): Promise<Record<string, string[]>> {
  const listed = JSON.parse(await inside.headwater('list', '--all-versions', '--json')) as {
    product: string;
    serial: string;
  }[];
  const serials: Record<string, string[]> = {};
  for (const { product, serial } of listed) {
    serials[product] = [...(serials[product] ?? []), serial].sort();
  }
  return serials;
}

/** Changes a byte in the middle of a file. */
async function damage(file: string): Promise<void> {
  const handle = await open(file, 'r+');
  const middle = Math.floor((await handle.stat()).size / 2);
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, middle);
  await handle.write(Buffer.from([(buffer[0] ?? 0) ^ 1]), 0, 1, middle);
  await handle.close();
}

beforeAll(async () => {
  outside = await Headwater.create({ site: 'hq', mirrorDir: 'mirrors' });
  for (const directory of ['mirrors', 'medium', 'work']) await mkdir(path.join(outside.directory, directory));
  for (const name of ['alpha', 'beta']) {
    const upstream = await ImageServer.create();
    upstreams.set(name, upstream);
    await writeFile(
      path.join(outside.directory, 'mirrors', `${name}.yaml`),
      stringify({ url: upstream.url, keyring: upstream.keyring }),
    );
  }
  await outside.cli('key', 'create');
  inside = await Inside.create({ site: 'vault-7' });
  await writeFile(inside.at('hq.gpg'), '');
  await outside.shell(`headwater key export > ${inside.at('hq.gpg')}`);
  for (const [name, { keyring }] of upstreams) await cp(keyring, inside.at(`${name}.gpg`));
  await writeFile(inside.at('site/mirrors/hq.yaml'), stringify({ site: 'hq', keyring: inside.at('hq.gpg') }));
  await inside.headwater('key', 'create');
});

afterAll(async () => {
  await inside.remove();
  for (const upstream of upstreams.values()) await upstream.remove();
  await outside.remove();
});

const products = {
  alpha: 'alpine:current:amd64:default',
  beta: 'arch:current:amd64:default',
  own: 'busybox:static:amd64:default',
};

test('the first bundle brings everything', async () => {
  await release('alpha', 'Alpine', '2026-01-01T01:00:00Z', 'alpha-1');
  await release('beta', 'Arch', '2026-01-01T02:00:00Z', 'beta-1');
  for (const upstream of upstreams.values()) await upstream.start();
  await publishOwn('20260101_0300', 'own-1');
  await mirrorRun();
  const first = await createBundle();
  expect(await inside.interfaces()).toEqual([]);
  await inside.headwater('bundle', 'verify', first, '--keyring', inside.at('hq.gpg'));
  await inside.headwater('bundle', 'import', 'hq', first);
  expect(await held()).toEqual({
    [products.alpha]: ['20260101_0100'],
    [products.beta]: ['20260101_0200'],
    [products.own]: ['20260101_0300'],
  });
});

test('the third arrives before the second, of which a volume is damaged and sent again', async () => {
  await release('alpha', 'Alpine', '2026-02-01T01:00:00Z', 'alpha-2');
  await publishOwn('20260201_0300', 'own-2');
  await mirrorRun();
  const second = await createBundle('--volume-size', '2500000');
  await release('beta', 'Arch', '2026-03-01T02:00:00Z', 'beta-3');
  await mirrorRun();
  const third = await createBundle();
  for (const upstream of upstreams.values()) await upstream.stop();

  const early = await inside.attempt('bundle', 'import', 'hq', third);
  expect(early).toMatchObject({ code: 7, stdout: expect.stringContaining('--again 2') });
  // What the third bundle carried is whole; what needs the second one waits.
  expect(await held()).toEqual({
    [products.alpha]: ['20260101_0100'],
    [products.beta]: ['20260101_0200', '20260301_0200'],
    [products.own]: ['20260101_0300'],
  });

  const volumes = (await readdir(second)).filter((name) => name.endsWith('.tar'));
  expect(volumes.length).toBeGreaterThan(2);
  const [, damaged = ''] = volumes.sort();
  await damage(path.join(second, damaged));
  const verified = await inside.attempt('bundle', 'verify', second, '--keyring', inside.at('hq.gpg'));
  expect(verified).toMatchObject({ code: 3, stdout: expect.stringContaining(damaged) });
  const partial = await inside.attempt('bundle', 'import', 'hq', second);
  expect(partial.code).toBe(7);
  const request = /headwater (bundle create --to vault-7 --again 2(?: --volume \d+)+) OUTPUT/.exec(
    partial.stdout,
  );
  expect(request, partial.stdout).not.toBeNull();

  // The request is carried out word for word, onto an empty medium.
  await rm(second, { recursive: true });
  await outside.cli(...(request?.[1] ?? '').split(' '), medium());
  // A file that is cut is sent again as a whole: the damaged volume is among those with its pieces.
  const sent = (await readdir(second)).filter((name) => name.endsWith('.tar'));
  expect(sent).toContain(damaged);
  expect(sent.length).toBeLessThan(volumes.length);
  await inside.headwater('bundle', 'import', 'hq', second);
  expect(await held()).toEqual({
    [products.alpha]: ['20260101_0100', '20260201_0100'],
    [products.beta]: ['20260101_0200', '20260301_0200'],
    [products.own]: ['20260101_0300', '20260201_0300'],
  });
  expect(await inside.interfaces()).toEqual([]);
});

test('a receipt tells the outside that all of it has arrived', async () => {
  const code = (await inside.headwater('bundle', 'receipt', 'hq', '--short')).trim();
  expect(code).toMatch(/^vault-7 3 ([0-9a-f]{4}-){2}[0-9a-f]{4}$/);
  await outside.cli('bundle', 'acknowledge', ...code.split(' '));
  const listed = await outside.cli('bundle', 'list');
  expect(listed.match(/ acknowledged /g)).toHaveLength(3);
});

test('LXD and Incus launch what arrived', async () => {
  await inside.startDaemons();
  await inside.serve();
  expect(await inside.interfaces()).toEqual(['lo']);
  for (const client of ['lxc', 'incus'] as const) {
    await inside.client(client, 'remote', 'add', remote, inside.url, '--protocol', 'simplestreams');
    for (const [alias, marker] of Object.entries({
      'alpine/current': 'alpha-2',
      'arch/current': 'beta-3',
      'busybox/static': 'own-2',
    })) {
      const instance = marker;
      await inside.client(client, 'launch', '-q', `${remote}:${alias}`, instance);
      expect(await inside.client(client, 'file', 'pull', `${instance}/etc/marker`, '-')).toBe(marker);
      await inside.client(client, 'delete', '--force', instance);
    }
  }
  await inside.stop();
});
