import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { scratchDirectory } from '../../support/catalog.ts';
import { run } from '../../support/command.ts';
import { makeLayerImage } from '../../support/layer-images.ts';
import { demand, lacks } from '../../support/needs.ts';
import { TestServer } from '../../support/server.ts';

/** A server, and a directory in which clients find its certificate, as docs/oci.md says. */
async function start() {
  const server = await TestServer.start({ streams: { images: { public: true }, secret: { public: false } } });
  const directory = await scratchDirectory();
  const certificates = join(directory, 'certificates');
  await mkdir(certificates);
  await copyFile(server.server.certificatePath ?? '', join(certificates, 'ca.crt'));
  return { server, directory, certificates, host: `127.0.0.1:${server.server.port}` };
}

/** As Incus calls it. */
const skopeo = (...args: string[]) => run('skopeo', ['--insecure-policy', ...args]);

describe.skipIf(lacks('skopeo'))('skopeo', () => {
  test('inspects and copies the image of its architecture, which umoci unpacks', async () => {
    const { server, directory, certificates, host } = await start();
    const amd64 = await makeLayerImage({ aliases: ['debian'] });
    const arm64 = await makeLayerImage({ architecture: 'arm64' });
    await server.publish(amd64.request);
    await server.publish(arm64.request);
    const certDir = ['--cert-dir', certificates];
    const facts = await skopeo('inspect', '--no-tags', ...certDir, `docker://${host}/debian`);
    expect(JSON.parse(facts)).toMatchObject({ Os: 'linux', Layers: [`sha256:${amd64.digest}`] });
    const withTags = await skopeo('inspect', ...certDir, `docker://${host}/debian:bookworm`);
    expect((JSON.parse(withTags) as { RepoTags: string[] }).RepoTags).toContain('bookworm');
    for (const [architecture, image] of [
      ['amd64', amd64],
      ['arm64', arm64],
    ] as const) {
      const layout = join(directory, architecture);
      const source = `docker://${host}/debian:bookworm`;
      const options = ['copy', '--remove-signatures', '--src-cert-dir', certificates];
      await skopeo('--override-arch', architecture, ...options, source, `oci:${layout}:latest`);
      const copied = await readFile(join(layout, 'blobs/sha256', image.digest));
      expect(copied.equals(image.gzip)).toBe(true);
      demand('umoci');
      const bundle = join(directory, `${architecture}-bundle`);
      await run('umoci', ['unpack', '--rootless', '--image', `${layout}:latest`, bundle]);
      const release = await readFile(join(bundle, 'rootfs/etc/os-release'), 'utf8');
      expect(release).toContain('VERSION_CODENAME=bookworm');
    }
  }, 60_000);

  test('pulls private images with a token, and shows why it may not', async () => {
    const { server, directory, certificates, host } = await start();
    await server.publish((await makeLayerImage()).request);
    await server.publish((await makeLayerImage({ stream: 'secret' })).request);
    const { tokens } = server.workspace.catalog;
    const { secret } = await tokens.create({ name: 'ci', actions: ['read'], streams: ['secret'] });
    const inspect = (repository: string, ...args: string[]) =>
      skopeo(
        'inspect',
        '--no-tags',
        ...args,
        '--cert-dir',
        certificates,
        `docker://${host}/${repository}:bookworm`,
      );
    await inspect('debian');
    await inspect('secret/debian', '--creds', `any:${secret}`);
    await expect(inspect('secret/debian')).rejects.toThrow(/repository unknown|unauthorized/);
    await expect(inspect('secret/debian', '--creds', 'any:wrong')).rejects.toThrow('the token is not valid');

    const auth = join(directory, 'auth.json');
    const login = [
      'login',
      '--cert-dir',
      certificates,
      '--authfile',
      auth,
      '--username',
      'any',
      '--password',
    ];
    await skopeo(...login, secret, host);
    await inspect('secret/debian', '--authfile', auth);
    await expect(skopeo(...login, 'wrong', host)).rejects.toThrow('invalid username/password');
    await tokens.revoke('ci');
    await expect(inspect('secret/debian', '--authfile', auth)).rejects.toThrow('the token is not valid');
  }, 60_000);
});

describe.skipIf(lacks('skopeo'))('skopeo', () => {
  test('pushes an image, which has the same digest when it is pulled', async () => {
    const { server, directory, certificates, host } = await start();
    const image = await makeLayerImage();
    await server.publish(image.request);
    const layout = join(directory, 'layout');
    const source = ['--src-cert-dir', certificates, `docker://${host}/debian:bookworm`];
    await skopeo('copy', ...source, `oci:${layout}:latest`);
    const secret = await server.token(['read', 'publish']);
    const target = ['--dest-cert-dir', certificates, '--dest-creds', `any:${secret}`];
    for (const format of ['oci', 'v2s2']) {
      const digestFile = join(directory, format);
      const options = ['--format', format, '--digestfile', digestFile, ...target];
      await skopeo('copy', ...options, `oci:${layout}:latest`, `docker://${host}/team/${format}:v1`);
      const facts = await skopeo(
        'inspect',
        '--no-tags',
        '--cert-dir',
        certificates,
        `docker://${host}/team/${format}:v1`,
      );
      const digest = await readFile(digestFile, 'utf8');
      expect(JSON.parse(facts)).toMatchObject({ Digest: digest, Layers: [`sha256:${image.digest}`] });
    }
  }, 60_000);

  test('may not push without the right', async () => {
    const { server, directory, certificates, host } = await start();
    await server.publish((await makeLayerImage()).request);
    const layout = join(directory, 'layout');
    const source = ['--src-cert-dir', certificates, `docker://${host}/debian:bookworm`];
    await skopeo('copy', ...source, `oci:${layout}:latest`);
    const push = (secret: string) =>
      skopeo(
        ...['copy', '--dest-cert-dir', certificates, '--dest-creds', `any:${secret}`],
        ...[`oci:${layout}:latest`, `docker://${host}/team/app:v1`],
      );
    await expect(push(await server.token(['read']))).rejects.toThrow('does not allow');
    await expect(push('wrong')).rejects.toThrow('the token is not valid');
  }, 60_000);
});

test.skipIf(lacks('buildah'))(
  'buildah pulls an image into its storage',
  async () => {
    const { server, directory, certificates, host } = await start();
    const image = await makeLayerImage();
    await server.publish(image.request);
    const storage = ['--root', join(directory, 'root'), '--runroot', join(directory, 'run')];
    const all = [...storage, '--storage-driver', 'vfs'];
    const policy = join(directory, 'policy.json');
    await writeFile(policy, JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }));
    const from = `docker://${host}/debian:bookworm`;
    const trust = ['--signature-policy', policy, '--cert-dir', certificates];
    const id = await run('buildah', [...all, 'pull', ...trust, from]);
    const facts = await run('buildah', [...all, 'inspect', '--type', 'image', id.trim()]);
    expect(facts).toContain(image.unpacked);
  },
  60_000,
);
