import type { SiteMirror } from '../../config/sites/site-mirror-schema.ts';
import { HeadwaterError } from '../../errors.ts';

/** The refusal of a run without a bundle. */
export function needsBundle({ name, site }: Pick<SiteMirror, 'name' | 'site'>): HeadwaterError {
  return new HeadwaterError(
    'conflict',
    `mirror ${name} downloads nothing: its versions come in bundles of site ${site}. Run "headwater bundle import ${name} DIRECTORY"`,
  );
}
