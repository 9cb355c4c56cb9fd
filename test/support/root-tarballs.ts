import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { xz } from '../../src/image/compression/xz/xz-pack.ts';
import { type PackEntry, packTar } from '../../src/image/tar/tar-pack.ts';
import type { Published, PublishRequest } from '../../src/publish/request.ts';
import { scratchDirectory } from './catalog.ts';
import type { TestServer } from './server.ts';
import { packMetadata } from './small-images.ts';

/** The compressions in which {@link rootTarball} can pack. */
export type Packing = 'none' | 'gzip' | 'xz';

/** A root filesystem as its builder leaves it: with device nodes, and with the name of the machine. */
export async function rootTarball(packing: Packing, size = 10_000): Promise<Buffer> {
  const mtime = new Date(0);
  const file = (name: string, bytes: Buffer): PackEntry => ({
    ...{ name, bytes, mtime, type: 'file', mode: 0o755 },
  });
  const folder = (name: string): PackEntry => ({ name, mtime, type: 'directory', mode: 0o755 });
  const archive = await packTar([
    ...['.', './bin', './dev', './etc', './usr'].map(folder),
    file('./etc/os-release', Buffer.from('ID=debian\nVERSION_CODENAME=bookworm\n')),
    file('./etc/hostname', Buffer.from('builder\n')),
    file('./bin/noise', randomBytes(size)),
    { name: './dev/console', mtime, type: 'character-device', mode: 0o600 },
  ]);
  if (packing === 'gzip') return gzipSync(archive);
  return packing === 'xz' ? await xz(archive) : archive;
}

/** Publishes a split image with a root tarball, beside the server. */
export async function publishTarball(
  server: TestServer,
  image: { os?: string; serial?: string; packing?: Packing; root?: Buffer } = {},
  request: Partial<PublishRequest> = {},
): Promise<Published & { root: Buffer }> {
  const { os = 'debian', serial = '20260131_0524', packing = 'xz' } = image;
  const root = image.root ?? (await rootTarball(packing));
  const directory = await scratchDirectory();
  const paths = [join(directory, 'lxd.tar.xz'), join(directory, 'rootfs.tar')];
  const properties = { os, release: 'bookworm', architecture: 'amd64', variant: 'default', serial };
  const yaml = { architecture: 'x86_64', creation_date: 1767225600, properties };
  await writeFile(paths[0] ?? '', await packMetadata(JSON.stringify(yaml)));
  await writeFile(paths[1] ?? '', root);
  const published = await server.publish({
    files: paths.map((path) => ({ from: 'disk', name: path, path })),
    ...request,
  });
  return { ...published, root };
}
