import { publishedNames } from '../../model/item-types.ts';
import type { ProductKey } from '../../model/names.ts';
import type { Version } from '../../model/versions.ts';

// systemd-sysupdate finds the versions of a product in the names of the files of one directory
// (https://www.freedesktop.org/software/systemd/man/latest/sysupdate.d.html, MatchPattern=).

/** What all names in the directory of a product begin with, before the serial. */
function prefixOf({ os, release, architecture, variant }: ProductKey): string {
  return `${[os, release, architecture, variant].join('-')}_`;
}

/** The files of a version in the directory of its product. */
export function entriesOf(
  key: ProductKey,
  { serial, items }: Pick<Version, 'serial' | 'items'>,
): { name: string; digest: string }[] {
  // A delta depends on another version.
  const whole = items.filter(({ deltaBase }) => deltaBase === undefined);
  return whole.flatMap((item) =>
    publishedNames(item).map(({ file }) => ({
      name: `${prefixOf(key)}${serial}.${file}`,
      digest: item.digest,
    })),
  );
}

/** The version and the file of a name in the directory of a product; undefined for other names. */
export function fileIn(key: ProductKey, name: string): { serial: string; file: string } | undefined {
  const prefix = prefixOf(key);
  if (!name.startsWith(prefix)) return undefined;
  const [, serial, file] = /^(\d{8}_\d{4})\.(.+)$/.exec(name.slice(prefix.length)) ?? [];
  return serial === undefined || file === undefined ? undefined : { serial, file };
}
