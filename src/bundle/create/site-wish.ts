import { ownerOf } from '../../catalog/products/ownership.ts';
import { ownSite } from '../../config/bundles/own-site.ts';
import type { SiteDefinition } from '../../config/bundles/site-schema.ts';
import { parseVolumeSize } from '../../config/bundles/volume-size.ts';
import { siteName } from '../../config/fields.ts';
import type { Config } from '../../config/schema.ts';
import { HeadwaterError } from '../../errors.ts';
import { defined } from '../../model/defined.ts';
import type { BundleWish } from './next-bundle.ts';
import { type VersionTest, versionsByRules } from './select.ts';

/** What flags or a request say of a bundle. Each takes the place of what the definition of the site says. */
export interface WishOptions extends Partial<Pick<BundleWish, 'label' | 'since' | 'receipt' | 'maxSize'>> {
  streams?: readonly string[];
  select?: VersionTest;
  /** Only products of these mirrors. */
  mirrors?: readonly string[];
  /** Bytes of a volume; Infinity for a stream. */
  limit?: number;
  /** Bytes of other files in the directory of the bundle, which count towards its size. */
  beside?: number;
}

/** What a bundle for a site depends on, beside its options. */
export interface WishSources {
  config: Pick<Config, 'site' | 'streams'>;
  definition: SiteDefinition | undefined;
  /** The streams that have products. */
  streams: readonly string[];
}

/**
 * What the next bundle for a site should be.
 * @throws HeadwaterError `usage` when the site has no valid name
 */
export function siteWish(
  to: string,
  options: WishOptions,
  { config, definition, streams }: WishSources,
): BundleWish {
  assertSiteName(to);
  const { label, since, receipt, mirrors, beside = 0 } = options;
  const maxSize = options.maxSize ?? definition?.maxSize;
  const select =
    options.select ?? (definition === undefined ? undefined : versionsByRules(definition.select));
  return {
    site: ownSite(config),
    to,
    select: {
      streams:
        options.streams ??
        definition?.streams ??
        streams.filter((stream) => config.streams[stream]?.public !== false),
      ...defined({ owners: mirrors?.map(ownerOf), select }),
      keep: definition?.keep ?? {},
    },
    limit: options.limit ?? definition?.volume ?? parseVolumeSize('fat32') ?? 0,
    overlap: definition?.overlap ?? 0,
    ...defined({ label, since, receipt, maxSize: maxSize === undefined ? undefined : maxSize - beside }),
  };
}

/** @throws HeadwaterError `usage` */
function assertSiteName(to: string): void {
  if (siteName.safeParse(to).success) return;
  throw new HeadwaterError('usage', `--to ${to}: use at most 32 lower-case letters, digits and -`);
}
