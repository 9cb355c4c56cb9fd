import { deltaFile, factsOf, type ItemType, imageTypeOf, isUnified } from '../../src/model/item-types.ts';
import type { Item } from '../../src/model/versions.ts';
import { hash } from '../mirror/documents.ts';

/**
 * An item of a version. Its digest and fingerprint are those of no bytes: they are made from its type, and from `of`, which
 * tells items of several versions apart.
 */
export function itemOf(
  type: ItemType,
  { of = '', size = 7, deltaBase }: { of?: string; size?: number; deltaBase?: string } = {},
): Item {
  const digest = hash(`${of} ${type} ${deltaBase}`);
  const file = deltaBase === undefined ? factsOf(type).file : deltaFile(deltaBase);
  const fingerprint = isUnified(type) ? digest : hash(`${of} image ${type}`);
  return {
    file,
    type,
    digest,
    size,
    ...(imageTypeOf(type) === undefined ? {} : { fingerprint }),
    ...(deltaBase === undefined ? {} : { deltaBase }),
  };
}
