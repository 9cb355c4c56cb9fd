import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { scratchDirectory } from '../../support/catalog.ts';
import { attempt } from '../../support/command.ts';
import { lacks, rootIsMissing } from '../../support/needs.ts';
import { publishTarball } from '../../support/root-tarballs.ts';
import { TestServer } from '../../support/server.ts';

const program = '/lib/systemd/systemd-pull';
const directory = '/images/debian/bookworm/amd64/default/20260131_0524';

// The program behind machinectl and importctl, by itself: they need D-Bus. It makes device nodes and immutable files.
describe.skipIf(lacks(program, 'xz') || rootIsMissing())('systemd-pull', () => {
  const pull = async (server: TestServer, file: string, machines: string, name: string) =>
    await attempt(program, [
      ...['tar', '--verify=checksum', `--image-root=${machines}`],
      ...[server.url(`${directory}/${file}`, 'http'), name],
    ]);

  test.each(['xz', 'gzip'] as const)(
    'takes a root tarball in %s, and verifies its checksum',
    async (packing) => {
      const server = await TestServer.start({ tls: 'off' });
      await publishTarball(server, { packing });
      const machines = await scratchDirectory();
      // What it downloads is immutable.
      onTestFinished(async () => {
        await attempt('chattr', ['-R', '-i', machines]);
      });
      const file = packing === 'xz' ? 'rootfs.tar.xz' : 'rootfs.tar.gz';
      const first = await pull(server, file, machines, 'one');
      expect(first.code, first.stderr).toBe(0);
      expect(first.stderr).toContain('SHA256 checksum');
      expect(await readFile(join(machines, 'one/etc/os-release'), 'utf8')).toContain('ID=debian');

      const again = await pull(server, file, machines, 'two');
      expect(again.code, again.stderr).toBe(0);
      expect(again.stderr).toContain('Image already downloaded');
      expect((await stat(join(machines, 'two'))).isDirectory()).toBe(true);
      await attempt('chattr', ['-R', '-i', machines]);
    },
  );
});
