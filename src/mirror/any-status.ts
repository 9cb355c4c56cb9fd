import type { Catalog } from '../catalog/catalog.ts';
import { type AnyDefinition, isSite } from '../config/sites/any-definition.ts';
import { siteStatus } from './site/site-status.ts';
import { type MirrorStatus, mirrorStatus } from './status.ts';

/** Computes the state of a mirror of either kind. */
export async function anyStatus(definition: AnyDefinition, catalog: Catalog): Promise<MirrorStatus> {
  return isSite(definition)
    ? await siteStatus(definition, catalog)
    : await mirrorStatus(definition, catalog.mirrors);
}
