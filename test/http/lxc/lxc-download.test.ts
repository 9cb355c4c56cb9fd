import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { scratchDirectory } from '../../support/catalog.ts';
import { attempt } from '../../support/command.ts';
import { lacks } from '../../support/needs.ts';
import { publishTarball } from '../../support/root-tarballs.ts';
import { TestServer } from '../../support/server.ts';

const template = '/usr/share/lxc/templates/lxc-download';

// The template that "lxc-create -t download" runs, by itself: it needs no container and no privileges.
describe.skipIf(lacks(template, 'wget', 'xz'))('the template of the lxc package', () => {
  interface Client {
    create(...options: string[]): Promise<{ code: number | null; output: string; root: string }>;
    list(): Promise<string>;
  }

  async function client(server: TestServer): Promise<Client> {
    const scratch = await scratchDirectory();
    const { certificatePath = '' } = server.server;
    await writeFile(join(scratch, 'wgetrc'), `ca_certificate = ${certificatePath}\n`);
    const env = { WGETRC: join(scratch, 'wgetrc'), LXC_CACHE_PATH: join(scratch, 'cache') };
    const at = ['--server', `127.0.0.1:${server.server.port}`];
    let count = 0;
    return {
      create: async (...options) => {
        const root = join(scratch, `root${count++}`);
        await mkdir(root);
        const image = ['--dist', 'debian', '--release', 'bookworm', '--arch', 'amd64'];
        // The path has the configuration that lxc-create begins.
        await writeFile(join(scratch, 'config'), '');
        const place = ['--name', 'c1', '--path', scratch, '--rootfs', root];
        const ids = ['--mapped-uid', '-1', '--mapped-gid', '-1'];
        const { code, stdout, stderr } = await attempt(
          template,
          [...at, ...image, ...place, ...ids, ...options],
          { env },
        );
        return { code, output: stdout + stderr, root };
      },
      list: async () => (await attempt(template, [...at, '--list'], { env })).stdout,
    };
  }

  test('lists, creates, keeps its copy, and takes a newer version without a flag', async () => {
    const server = await TestServer.start();
    await publishTarball(server);
    const lxc = await client(server);
    await expect.poll(() => lxc.list()).toContain('debian\tbookworm\tamd64\tdefault\t20260131_0524');

    const first = await lxc.create();
    expect(first.output).toContain('Downloading the rootfs');
    expect(first.code, first.output).toBe(0);
    expect(await readFile(join(first.root, 'etc/os-release'), 'utf8')).toContain('ID=debian');
    // The name of the machine that built the image is not in the container.
    await expect(readFile(join(first.root, 'etc/hostname'))).rejects.toThrow('ENOENT');

    const again = await lxc.create();
    expect(again.output).toContain('The cache is already up to date');
    expect(again.output).not.toContain('Downloading the rootfs');

    await publishTarball(server, { serial: '20260201_0000' });
    await expect.poll(() => lxc.list()).toContain('20260201_0000');
    const newer = await lxc.create();
    expect(newer.output).toContain('Downloading the rootfs');
    expect(newer.code, newer.output).toBe(0);
    expect((await lxc.create('--force-cache')).output).toContain('Using image from local cache');
  });

  test('takes a root that was compressed with gzip', async () => {
    const server = await TestServer.start({ lxc: { compress: ['images'] } });
    await publishTarball(server, { packing: 'gzip' });
    const lxc = await client(server);
    await expect.poll(() => lxc.list(), { timeout: 20_000 }).toContain('debian');
    const created = await lxc.create();
    expect(created.code, created.output).toBe(0);
    expect(await readFile(join(created.root, 'etc/os-release'), 'utf8')).toContain('ID=debian');
  });
});
