import { randomBytes } from 'node:crypto';
import { copyFile, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { expect, onTestFinished, test } from 'vitest';
import { scratchDirectory } from '../support/catalog.ts';
import { run } from '../support/command.ts';
import { mountMemory } from '../support/mount.ts';
import { rootIsMissing } from '../support/needs.ts';
import { headwater, RunningHeadwater } from './command-line.ts';

const mebibyte = 1024 * 1024;
const ref = 'debian/bookworm@20260101_0000';

/** A root filesystem as plain tar: with `ballast` bytes that nothing makes smaller. */
async function rootTarball(directory: string, name: string, ballast: number): Promise<string> {
  const root = join(directory, name);
  await mkdir(join(root, 'etc'), { recursive: true });
  await mkdir(join(root, 'bin'));
  await writeFile(join(root, 'etc/os-release'), 'ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n');
  await copyFile('/bin/sh', join(root, 'bin/sh'));
  await writeFile(join(root, 'ballast'), randomBytes(ballast));
  await run('tar', ['--create', '--file', `${root}.tar`, '--directory', root, '.']);
  return `${root}.tar`;
}

const agent = new Agent({ connect: { rejectUnauthorized: false } });

async function readiness(port: number, path: string): Promise<number> {
  const { statusCode, body } = await request(`https://127.0.0.1:${port}${path}`, { dispatcher: agent });
  await body.dump();
  return statusCode;
}

async function metric(port: number, name: string): Promise<number> {
  const { body } = await request(`https://127.0.0.1:${port}/metrics`, { dispatcher: agent });
  const [, value] = new RegExp(`^${name} (\\S+)$`, 'm').exec(await body.text()) ?? [];
  return Number(value);
}

test.skipIf(rootIsMissing())(
  'on a full disk commands end with 8 and words, beside a server and through it; with space again all goes on',
  async () => {
    const disk = await mountMemory('24m');
    onTestFinished(() => disk.unmount());
    const files = await scratchDirectory();
    const small = await rootTarball(files, 'small', 1000);
    const large = await rootTarball(files, 'large', 40 * mebibyte);
    const data = join(disk.path, 'data');
    const server = new RunningHeadwater(['serve', '--data-dir', data, '--set', 'listen.port=0', '--json']);
    onTestFinished(async () => void (await server.end('SIGKILL')));
    await server.until(() => server.stdout.includes('\n'));
    const { port, certificate } = JSON.parse(server.stdout) as { port: number; certificate: string };
    const local = { HEADWATER_DATA_DIR: data };
    const token = await headwater(['token', 'create', 'admin', '--allow', 'read,publish,remove,admin'], {
      env: local,
    });
    const remote = {
      HEADWATER_SERVER: `https://localhost:${port}`,
      HEADWATER_TOKEN: token.stdout.trim(),
      HEADWATER_CA: certificate,
    };
    const publish = (file: string, serial: string) => ['publish', file, '--serial', serial];
    const expectFull = async (args: string[]) => {
      for (const env of [local, remote]) {
        const { code, stderr } = await headwater(args, { env });
        expect(stderr).toContain('free some space');
        expect(code).toBe(8);
      }
    };
    const expectDone = async (args: string[], env: Record<string, string>) => {
      const { code, stderr } = await headwater(args, { env });
      expect(code, stderr).toBe(0);
    };

    await expectDone(publish(small, '20260101_0000'), local);
    await expectFull(publish(large, '20260102_0000'));
    expect(await readdir(join(data, 'staging'))).toEqual([]);

    const filler = join(disk.path, 'filler');
    await mkdir(filler);
    for (const [name, size] of [
      ['large', 64 * mebibyte],
      ['rest', mebibyte],
    ] as const) {
      const filling = writeFile(join(filler, name), Buffer.alloc(size));
      await filling.catch((error: NodeJS.ErrnoException) => expect(error.code).toBe('ENOSPC'));
    }
    await expectFull(publish(small, '20260103_0000'));
    for (const env of [local, remote]) await expectDone(['show', ref], env);
    // What frees space, and what somebody needs who does so, is done in the reserve.
    await expectDone(['token', 'create', 'one'], local);
    await expectDone(['token', 'create', 'two'], remote);
    await expectDone(['token', 'revoke', 'one'], remote);
    await expectDone(['remove', ref], remote);
    await expectFull(publish(small, '20260103_0000'));
    expect(await readiness(port, '/readyz')).toBe(200);
    expect(await readiness(port, '/readyz?write')).toBe(503);
    // It is measured now and then.
    await expect.poll(() => metric(port, 'headwater_disk_free_bytes')).toBeLessThan(mebibyte);

    await rm(filler, { recursive: true });
    await expect.poll(() => readiness(port, '/readyz?write'), { timeout: 20_000 }).toBe(200);
    await expectDone(publish(small, '20260103_0000'), remote);
    await expectDone(['token', 'create', 'another'], local);
    expect(await server.end('SIGTERM')).toBe(0);
  },
  120_000,
);
