import { hostname } from 'node:os';
import type { Config } from '../schema.ts';

/** The name of this site: that of the configuration, else that of the machine in the letters that names of sites have. */
export function ownSite({ site }: Pick<Config, 'site'>): string {
  if (site !== undefined) return site;
  const [first = ''] = hostname().toLowerCase().split('.');
  const name = first
    .replaceAll(/[^a-z0-9-]/g, '-')
    .replace(/^-+/, '')
    .slice(0, 32);
  return name || 'headwater';
}
