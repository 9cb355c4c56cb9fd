import { expect, test } from 'vitest';
import {
  factsOf,
  type ItemType,
  imageTypeOf,
  isUnified,
  itemTypeNames,
  knownFtypes,
  publishedNames,
  typeOfFtype,
} from '../../src/model/item-types.ts';
import { renderProduct } from '../../src/simplestreams/write/render.ts';
import { product } from '../cli/versions.ts';
import { document, hash, item, offeredBy, product as offeredProduct } from '../mirror/documents.ts';
import { itemOf } from './items.ts';

const base = '20260101_0000';
const serial = '20260102_0000';
const delta = itemOf('squashfs.vcdiff', { deltaBase: base });

/** What a mirror reads in the document of a version with one root, as we write it. */
function readBack(root: ItemType) {
  const items = isUnified(root) ? [itemOf(root)] : [itemOf('metadata'), itemOf(root)];
  const versions = product({ serials: [base, serial] }).versions.map((version) => ({
    ...version,
    items: version.serial === serial ? [...items, delta] : version.items,
  }));
  const rendered = renderProduct({ ...product(), versions });
  const products = JSON.parse(`{${rendered}}`) as Record<string, unknown>;
  return offeredBy(document(products)).offered[0]?.versions.find((version) => version.serial === serial);
}

const roots = itemTypeNames.filter((type) => imageTypeOf(type) !== undefined);

test.each(roots.filter((type) => factsOf(type).published.length > 0))(
  'a root of type %s is read from a document as it was written',
  (type) => {
    const { digest, size, fingerprint } = itemOf(type);
    const version = readBack(type);
    expect(version?.roots).toHaveLength(1);
    const [root] = version?.roots ?? [];
    expect(root).toMatchObject({ type: imageTypeOf(type), sha256: digest, size, fingerprint });
    expect(typeOfFtype(root?.ftype ?? '')).toBe(type);
    expect(version?.metadata?.sha256).toBe(isUnified(type) ? undefined : itemOf('metadata').digest);
    expect(typeOfFtype(version?.metadata?.ftype ?? 'lxd.tar.xz')).toBe('metadata');
    // Deltas of squashfs are of no use without it.
    const deltas = type === 'squashfs' ? [{ base, sha256: delta.digest }] : [];
    expect(version?.deltas).toMatchObject(deltas);
  },
);

test('a unified virtual machine is in no document: clients would take it for a container', () => {
  expect(publishedNames(itemOf('combined-disk'))).toEqual([]);
  expect(readBack('combined-disk')).toBeUndefined();
});

test.each(knownFtypes.filter(({ fingerprintFields = [] }) => fingerprintFields.length > 0))(
  'the fingerprint of a root listed as $ftype is read from each of its fields, and from no other',
  ({ ftype, type, fingerprintFields = [] }) => {
    const rootWith = (field: string) => {
      const items = {
        'lxd.tar.xz': item('lxd.tar.xz', 'lxd.tar.xz', { [field]: hash('fingerprint') }),
        [ftype]: item('root', ftype),
      };
      const { offered } = offeredBy(document({ name: offeredProduct({ [serial]: { items } }) }));
      return offered[0]?.versions[0]?.roots[0];
    };
    const all = knownFtypes.flatMap((known) => known.fingerprintFields ?? []);
    for (const field of all) {
      expect(rootWith(field)).toMatchObject({ ftype, type: imageTypeOf(type) });
      expect(rootWith(field)?.fingerprint).toBe(
        fingerprintFields.includes(field) ? hash('fingerprint') : undefined,
      );
    }
  },
);
