import { xz } from '../../image/compression/xz/xz-pack.ts';
import { packTar } from '../../image/tar/tar-pack.ts';
import { kernelName, parseArchitecture } from '../../model/architecture.ts';
import { type ProductKey, timeOfSerial } from '../../model/names.ts';

// The metadata that the template "download" of LXC expects beside a root tarball (templates/lxc-download.in of LXC). The
// template replaces LXC_TEMPLATE_CONFIG by the directory of LXC's own configuration files.

/** The version that the metadata is for. */
export interface LxcSubject {
  product: ProductKey;
  serial: string;
  publishedAt: Date;
}

/**
 * The files of `meta.tar.xz`. Per-distribution files such as `debian.common.conf` are not included: since LXC 3 they exist
 * only in the package `lxc-templates`.
 */
export function lxcMetadataFiles({ product, serial, publishedAt }: LxcSubject): Record<string, string> {
  const { os, release, architecture, variant } = product;
  const include = (name: string) => `lxc.include = LXC_TEMPLATE_CONFIG/${name}`;
  const arch = `lxc.arch = ${kernelName(parseArchitecture(architecture))}`;
  const lines = (...all: string[]) => `${all.join('\n')}\n`;
  // GNU tar matches a pattern with the whole name of a member, which begins with "./" or not.
  const hostname = ['./etc/hostname', 'etc/hostname'];
  // Device nodes cannot be made without privileges: tar would fail. LXC makes its own.
  const devices = ['./dev/*', 'dev/*'];
  // A time in the past makes the template ask for a newer version each time; without a time it never asks again.
  const expiry = Math.min(timeOfSerial(serial).getTime(), publishedAt.getTime());
  return {
    config: lines(include('common.conf'), arch),
    'config-user': lines(include('common.conf'), include('userns.conf'), arch),
    'create-message': lines(
      `The container was made from ${os} ${release} ${architecture} ${variant}, ${serial}.`,
    ),
    // The file of the machine that built the image would take the place of the container's name.
    excludes: lines(...hostname),
    'excludes-user': lines(...devices, ...hostname),
    expiry: lines(String(Math.floor(expiry / 1000))),
  };
}

/** LXC's metadata of a version, as `meta.tar.xz`. The same version always gives the same bytes. */
export async function lxcMetadata(subject: LxcSubject): Promise<Buffer> {
  const mtime = timeOfSerial(subject.serial);
  return await xz(
    await packTar(
      Object.entries(lxcMetadataFiles(subject)).map(([name, text]) => ({
        ...{ name, type: 'file', mode: 0o644, mtime },
        bytes: Buffer.from(text),
      })),
    ),
  );
}
