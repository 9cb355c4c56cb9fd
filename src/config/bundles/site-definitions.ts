import { basename, dirname, join, resolve } from 'node:path';
import { HeadwaterError } from '../../errors.ts';
import { defined } from '../../model/defined.ts';
import { siteName } from '../fields.ts';
import { definitionExtension, definitionFiles, readAll, readDefinitionFile } from '../yaml-file.ts';
import { type SiteDefinition, siteSchema } from './site-schema.ts';

/**
 * Reads and checks the definitions of sites: each file `SITE.yaml` of a directory. A missing directory has none.
 * @returns the definitions by the names of their sites
 * @throws HeadwaterError `invalid`, with a line for every error: file, line, key, expected value
 */
export function loadSites(directory: string): Map<string, SiteDefinition> {
  const read = (name: string): [string, SiteDefinition] => {
    const file = join(directory, name);
    const site = basename(name, definitionExtension);
    if (!siteName.safeParse(site).success) {
      throw new HeadwaterError(
        'invalid',
        `${file}: the file name is the name of the site: use lower-case letters, digits and -, at most 32`,
      );
    }
    const { receiptKeyring, ...definition } = readDefinitionFile(file, siteSchema);
    const absolute = receiptKeyring && resolve(dirname(resolve(file)), receiptKeyring);
    return [site, { ...definition, ...defined({ receiptKeyring: absolute }) }];
  };
  return new Map(readAll(definitionFiles(directory, 'bundleDir'), read));
}
