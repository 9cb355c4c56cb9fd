import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { xz } from '../../../src/image/compression/xz/xz-pack.ts';
import { onDemandDirectory } from '../../../src/mirror/download/download-directories.ts';
import { runMirror } from '../../../src/mirror/run/run.ts';
import { parseDigest } from '../../../src/model/digest.ts';
import type { ImageRules } from '../../../src/publish/judge.ts';
import { file, metadataYaml, packTar, program, rootEntries, symlink } from '../../image/fixtures.ts';
import { logLines } from '../../ops/log-lines.ts';
import { FaultProxy } from '../../support/fault-proxy.ts';
import { TestServer } from '../../support/server.ts';
import { packSquashfs } from '../../support/small-squashfs.ts';
import { TestUpstream } from '../test-upstream.ts';
import { definition, find } from '../workspace.ts';

vi.mock('../../../src/ops/log.ts', { spy: true });

const lines = logLines();

const product = 'debian:bookworm:amd64:default';
const serial = '20260101_0000';
const folder = `images/debian/bookworm/amd64/default/${serial}`;

/** A root filesystem with a member behind a link that leads out of it. */
async function rootBehindLink(): Promise<Buffer> {
  const noise = file('./usr/lib/more-noise', randomBytes(2_000_000));
  return await xz(
    await packTar([...rootEntries, noise, symlink('./out', '../../..'), file('./out/etc/passwd', 'x')]),
  );
}

/** A unified image with a template for a path outside of its root: what it says is known only when all of it was read. */
function unifiedWithTemplate(): Buffer {
  return packUnified({
    'metadata.yaml': `${metadataYaml}templates: {../out: {when: [create], template: a.tpl}}\n`,
    'templates/a.tpl': 'x',
  });
}

/** A unified image for amd64 with a program for arm64. */
function unifiedWithProgram(): Buffer {
  return packUnified({ 'metadata.yaml': metadataYaml, 'rootfs/bin/sh': program(183) });
}

function packUnified(files: Record<string, Uint8Array | string>): Buffer {
  return packSquashfs({ ...files, 'rootfs/etc/noise': randomBytes(2_000_000) });
}

const sha256 = (...parts: Buffer[]) => createHash('sha256').update(Buffer.concat(parts)).digest('hex');

/** Announces `bytes` as the root of an image, or as a unified image. */
async function offer(upstream: TestUpstream, bytes: Buffer, ftype: 'root.tar.xz' | 'lxd_combined.tar.gz') {
  await upstream.offer(product, serial);
  const version = upstream.products[product]?.versions[serial];
  const metadata = version?.items['lxd.tar.xz'];
  if (version === undefined || metadata === undefined) throw new Error('nothing was offered');
  const path = `${folder}/${ftype}`;
  upstream.files.set(path, bytes);
  const item = { ftype, path, sha256: sha256(bytes), size: bytes.length };
  const combined = sha256(upstream.files.get(`${folder}/lxd.tar.xz`) ?? Buffer.alloc(0), bytes);
  version.items =
    ftype === 'root.tar.xz'
      ? { 'lxd.tar.xz': { ...metadata, combined_rootxz_sha256: combined }, [ftype]: item }
      : { [ftype]: item };
  upstream.announce();
  return path;
}

const programs = 'a unified squashfs with programs of another architecture';

const kinds = {
  'a root': { make: rootBehindLink, ftype: 'root.tar.xz', rule: 'behind-link', reason: 'rule behind-link' },
  'a unified squashfs': {
    make: unifiedWithTemplate,
    ftype: 'lxd_combined.tar.gz',
    rule: 'template-target',
    reason: 'rule template-target',
  },
  [programs]: {
    make: unifiedWithProgram,
    ftype: 'lxd_combined.tar.gz',
    reason: 'its programs are for arm64, but metadata.yaml says architecture: amd64',
  },
} as const;

/** A server with a mirror on demand of an image that leads out of itself. */
async function setUp(kind: keyof typeof kinds, imageRules: ImageRules = {}) {
  const { make, ftype } = kinds[kind];
  const bytes = await make();
  const upstream = await TestUpstream.start();
  const offered = await offer(upstream, bytes, ftype);
  const proxy = await FaultProxy.start(upstream.url);
  onTestFinished(() => proxy.stop());
  const mirror = definition(proxy.url, { mode: 'on-demand' });
  const server = await TestServer.start({ tls: 'off', imageRules }, [mirror]);
  const parts = { ...server.workspace, dataDir: server.config.dataDir };
  const { report } = await runMirror(mirror, parts, { cause: 'manual' });
  expect(report).toMatchObject({ added: 1, failed: [] });
  const digest = parseDigest(sha256(bytes));
  const [version] = (await find(parts, product)).versions;
  const item = version?.items.find((listed) => listed.digest === digest);
  if (item === undefined) throw new Error('the file is not listed');
  const path = `/${folder}/${item.file}`;
  await expect
    .poll(async () => (await server.request(path, { scheme: 'http', method: 'HEAD' })).status)
    .toBe(200);
  const asked = () => proxy.requests.filter((request) => request.path === `/${offered}`).length;
  const isStored = async () => (await parts.store.stat(digest)) !== undefined;
  /** Requests the file: the answer begins well, and breaks off. */
  const breaks = async () => {
    proxy.inject({
      do: { kind: 'hold-answer', after: 1_500_000 },
      when: (request) => request.path === `/${offered}`,
    });
    const answer = await server.agent.request({ origin: server.url('', 'http'), path, method: 'GET' });
    const length = String(bytes.length);
    expect(answer).toMatchObject({ statusCode: 200, headers: { 'content-length': length } });
    proxy.release();
    await expect(answer.body.arrayBuffer()).rejects.toThrow();
  };
  return { server, digest, offered, path, bytes, breaks, asked, isStored };
}

test.each(['a root', 'a unified squashfs', programs] as const)(
  '%s that is refused is not served whole, not kept, and not asked for again at once',
  async (kind) => {
    const { server, offered, path, breaks, asked, isStored } = await setUp(kind);
    await breaks();
    const { reason } = kinds[kind];
    await expect
      .poll(() => lines.said('fetched on demand is refused'))
      .toMatchObject([
        { level: 'warn', mirror: 'test', path: offered, error: expect.stringContaining(reason) as string },
      ]);
    const again = await server.request(path, { scheme: 'http' });
    expect(again.status).toBe(503);
    expect(again.body.toString()).toMatch(
      new RegExp(`the image is refused, and the upstream is not asked again .*${reason}`),
    );
    expect({ asked: asked(), stored: await isStored() }).toEqual({ asked: 1, stored: false });
    expect(await readdir(onDemandDirectory(server.config.dataDir))).toEqual([]);
  },
);

test.each(['a root', 'a unified squashfs'] as const)(
  '%s that breaks a rule is served and kept where the rule only warns',
  async (kind) => {
    const { rule } = kinds[kind];
    const { server, offered, path, bytes, isStored } = await setUp(kind, { [rule]: 'warn' });
    const answer = await server.request(path, { scheme: 'http' });
    expect(answer.body.equals(bytes)).toBe(true);
    await expect.poll(isStored).toBe(true);
    expect(lines.said('breaks a rule that is set to warn')).toMatchObject([
      {
        level: 'warn',
        client: 'mirror:test',
        warning: expect.stringMatching(new RegExp(`^${offered}: .*rule ${rule}`)) as string,
      },
    ]);
  },
);

test('a refused file is not asked for again at once when an earlier fetch left a part of it, either', async () => {
  const { server, digest, path, bytes, breaks, asked, isStored } = await setUp('a root');
  const directory = onDemandDirectory(server.config.dataDir);
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, digest), bytes.subarray(0, 1_000_000));
  await breaks();
  await expect.poll(() => lines.said('fetched on demand is refused').length).toBe(1);
  expect((await server.request(path, { scheme: 'http' })).status).toBe(503);
  expect({ asked: asked(), stored: await isStored() }).toEqual({ asked: 1, stored: false });
});
