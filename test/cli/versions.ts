import { productName } from '../../src/model/names.ts';
import type { ProductWithVersions } from '../../src/model/versions.ts';

/** A product as the catalog gives it; what is left out is Debian bookworm for amd64 with one container. */
export function product(
  given: Partial<ProductWithVersions> & { serials?: string[] } = {},
): ProductWithVersions {
  const { serials = ['20260131_0524'], ...fields } = given;
  const key = { os: 'debian', release: 'bookworm', architecture: 'amd64', variant: 'default', ...fields };
  const name = productName(key);
  return {
    ...key,
    name,
    stream: 'images',
    owner: 'local',
    osTitle: 'Debian',
    releaseTitle: '12 "Bookworm"',
    requirements: {},
    aliases: [`${key.os}/${key.release}`],
    pins: [],
    versions: serials.map((serial) => ({
      serial,
      label: 'release',
      hidden: false,
      publishedAt: new Date('2026-01-31T05:24:00Z'),
      items: [
        { file: 'lxd.tar.xz', type: 'metadata', digest: '0'.repeat(64), size: 700 },
        {
          file: 'rootfs.squashfs',
          type: 'squashfs',
          digest: '1'.repeat(64),
          size: 5_000,
          fingerprint: 'ab'.repeat(32),
        },
      ],
    })),
    ...fields,
  };
}
