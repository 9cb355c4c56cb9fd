import { expect, test } from 'vitest';
import { publishTarball } from '../../../support/root-tarballs.ts';
import { TestServer } from '../../../support/server.ts';
import { makeSmallImage } from '../../../support/small-images.ts';
import { headwater } from '../../command-line.ts';

test('show and list print the commands for a client, and say what a client cannot use', async () => {
  const server = await TestServer.start({ publicUrl: 'https://images.example.com' });
  await publishTarball(server);
  await publishTarball(server, { serial: '20260201_0000', packing: 'gzip' });
  const { metadata, root } = await makeSmallImage({ os: 'squashed' });
  await server.publish({ files: [metadata, root].map((path) => ({ from: 'disk', name: path, path })) });
  const run = async (...args: string[]) =>
    await headwater([...args, '--data-dir', server.config.dataDir], {
      env: { HEADWATER_PUBLIC_URL: 'https://images.example.com' },
    });

  const shown = await run('show', 'debian/bookworm', '--for', 'lxc');
  expect(shown.stdout).toBe(
    'lxc remote add headwater https://images.example.com --protocol simplestreams --public\n' +
      'lxc launch headwater:debian/bookworm c1\n',
  );
  const old = (await run('show', 'debian/bookworm@20260131_0524', '--for', 'incus')).stdout;
  expect(old).toMatch(/^incus launch headwater:[0-9a-f]{64} c1$/m);

  const listed = await run('list', '--for', 'lxc-download');
  expect(listed.stdout).toBe(
    'lxc-create -n c1 -t download -- --server images.example.com -d debian -r bookworm -a amd64\n',
  );
  expect(listed.stderr).toContain('squashed:bookworm:amd64:default');
  expect(listed.stderr).toContain('is not for lxc-download: it has no root tarball');

  const { stdout } = await run('list', 'os=debian', '--all-versions', '--for', 'systemd', '--json');
  const path = 'https://images.example.com/images/debian/bookworm/amd64/default';
  const pull = 'importctl pull-tar --class=machine --verify=checksum';
  expect(JSON.parse(stdout)).toMatchObject([
    { serial: '20260131_0524', command: `${pull} ${path}/20260131_0524/rootfs.tar.xz c1` },
    { serial: '20260201_0000', command: `${pull} ${path}/20260201_0000/rootfs.tar.gz c1` },
  ]);

  const unknown = await run('show', 'debian/bookworm', '--for', 'docker');
  expect(unknown.code).toBe(2);
  expect(unknown.stderr).toContain('lxc, incus, lxc-download, systemd');
});

test('with a server, its address is the one of the command', async () => {
  const server = await TestServer.start();
  await publishTarball(server);
  const at = ['--server', server.url(''), '--insecure'];
  const { stdout } = await headwater(['show', 'debian/bookworm', '--for', 'lxc-download', ...at]);
  expect(stdout).toContain(`--server 127.0.0.1:${server.server.port} -d debian`);
});
