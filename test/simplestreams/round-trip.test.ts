import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
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
import { impliedAliases, productName } from '../../src/model/names.ts';
import type { ProductWithVersions, Version } from '../../src/model/versions.ts';
import { readTreeDocuments } from '../../src/publish/tree/tree-documents.ts';
import { Skips } from '../../src/simplestreams/read/offered.ts';
import { readOffer } from '../../src/simplestreams/read/offered-document.ts';
import { imagePath, streamPath } from '../../src/simplestreams/write/paths.ts';
import { productsFrame, renderIndex, renderProduct } from '../../src/simplestreams/write/render.ts';
import { scratchDirectory } from '../support/catalog.ts';
import { itemOf } from './items.ts';

// Catalogs with every type of item. What a document cannot say is left out: hidden versions, versions without an image.

const listedRoots = itemTypeNames.filter(
  (type) => imageTypeOf(type) !== undefined && factsOf(type).published.length > 0,
);
const splitRoots = listedRoots.filter((type) => !isUnified(type));

const word = fc.stringMatching(/^[a-z][a-z0-9._+~-]{0,8}$/).filter((name) => !name.includes('..'));
const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }).map((value) => `"${value}\\`);
const size = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const minute = fc.integer({ min: 0, max: 6 * 24 * 60 - 1 }).map((value) => {
  const date = new Date(Date.UTC(2026, 0, 1, 0, value));
  return date.toISOString().replaceAll(/[-:]/g, '').replace('T', '_').slice(0, 13);
});

/** The roots of a version: several split ones, or one unified file. */
const roots = fc.oneof(
  fc.subarray(splitRoots, { minLength: 1 }),
  fc.constantFrom(...listedRoots.filter(isUnified)).map((type) => [type]),
);

const product = fc
  .record({
    key: fc.record({
      os: word,
      release: word,
      architecture: fc.constantFrom('amd64', 'arm64', 'riscv64'),
      variant: fc.oneof(fc.constant('default'), word),
    }),
    title: fc.boolean(),
    releaseTitle: text,
    supportEol: fc.option(fc.constant('2030-04-30'), { nil: undefined }),
    requirements: fc.dictionary(word, text, { maxKeys: 3 }),
    aliases: fc.uniqueArray(fc.array(word, { minLength: 1, maxLength: 3 }), { maxLength: 3 }),
    versions: fc.uniqueArray(
      fc.record({ serial: minute, label: text, roots, size, deltas: fc.nat({ max: 3 }) }),
      {
        minLength: 1,
        maxLength: 4,
        selector: ({ serial }) => serial,
      },
    ),
    pins: fc.uniqueArray(fc.record({ alias: word, version: fc.nat({ max: 3 }) }), {
      maxLength: 2,
      selector: ({ alias }) => alias,
    }),
  })
  .map(({ key, title, supportEol, aliases, pins, versions: drawn, ...rest }): ProductWithVersions => {
    const name = productName(key);
    const versions = drawn
      .sort((one, other) => (one.serial < other.serial ? -1 : 1))
      .map((version, index, all): Version => {
        const { serial, label } = version;
        const metadata: ItemType[] = version.roots.some(isUnified) ? [] : ['metadata'];
        const items = [...metadata, ...version.roots].map((type) =>
          itemOf(type, { of: `${name} ${serial}`, size: version.size }),
        );
        const bases = version.roots.includes('squashfs') ? all.slice(0, index).slice(0, version.deltas) : [];
        for (const base of bases) {
          items.push(
            itemOf('squashfs.vcdiff', {
              of: `${name} ${serial}`,
              size: version.size,
              deltaBase: base.serial,
            }),
          );
        }
        return { serial, label, items, hidden: false, publishedAt: new Date(0) };
      });
    return {
      ...key,
      ...rest,
      name,
      stream: 'images',
      owner: 'local',
      osTitle: title ? key.os.toUpperCase() : key.os,
      ...(supportEol === undefined ? {} : { supportEol }),
      aliases: [...impliedAliases(key), ...aliases.map((parts) => `own/${parts.join('/')}`)],
      pins: pins.flatMap(({ alias, version }) => {
        const serial = versions[version]?.serial;
        return serial === undefined ? [] : [{ alias: `pin/${alias}`, serial }];
      }),
      versions,
    };
  });

const catalogs = fc.uniqueArray(product, { maxLength: 4, selector: ({ name }) => name });

function documentOf(products: ProductWithVersions[]): string {
  const { before, between, after } = productsFrame('images', new Date(0));
  return `${before}${products.map(renderProduct).join(between)}${after}`;
}

/** What should be read of the files of a version: each once, by the name that clients prefer. */
function filesOf({ name: _, ...key }: ProductWithVersions, { serial, items }: Version) {
  return items.flatMap((item) => {
    const [listed] = publishedNames(item);
    if (listed === undefined) return [];
    const path = imagePath(key, serial, listed.file);
    return [{ type: item.type, path, size: item.size, digest: item.digest, fingerprint: item.fingerprint }];
  });
}

test('a mirror reads every catalog as it was written', () => {
  fc.assert(
    fc.property(catalogs, (products) => {
      const skips = new Skips();
      const { offered } = readOffer(Buffer.from(documentOf(products)), 'images.json', {
        select: (_around, _fields, version) => version,
        variant: 'unknown',
        deltas: true,
        skips,
      });
      expect(skips.list()).toEqual([]);
      for (const written of products) {
        // A version with a pinned alias stands in an entry of its own.
        const entries = offered.filter(({ key }) => productName(key) === written.name);
        const [main] = entries;
        const aliases = new Set(entries.flatMap(({ details }) => details.aliases ?? []));
        const own = [...written.aliases, ...written.pins.map(({ alias }) => alias)];
        expect(aliases).toEqual(new Set(own.filter((alias) => !impliedAliases(written).includes(alias))));
        expect(main?.details).toMatchObject({
          osTitle: written.osTitle,
          title: written.releaseTitle,
          ...(written.supportEol === undefined ? {} : { eol: written.supportEol }),
        });
        expect(main?.details.requirements ?? {}).toEqual(written.requirements);
        const versions = entries.flatMap((entry) => entry.versions);
        versions.sort((one, other) => (one.serial < other.serial ? -1 : 1));
        expect(
          versions.map(({ serial, label, metadata, roots: readRoots, deltas }) => ({
            serial,
            label,
            files: [
              ...(metadata === undefined ? [] : [metadata]),
              ...readRoots.map((root) => ({ ...root, fingerprint: root.fingerprint })),
              ...deltas,
            ].map((file) => ({
              type: typeOfFtype(file.ftype),
              path: file.path,
              size: file.size,
              digest: file.sha256,
              fingerprint: 'fingerprint' in file ? file.fingerprint : undefined,
            })),
          })),
        ).toEqual(
          written.versions.map((version) => ({
            serial: version.serial,
            label: version.label,
            files: filesOf(written, version),
          })),
        );
      }
    }),
  );
});

test('the documents of a tree are read as they were written', async () => {
  const root = await scratchDirectory();
  await mkdir(join(root, 'streams/v1'), { recursive: true });
  await fc.assert(
    fc.asyncProperty(catalogs, async (products) => {
      const names = products.map(({ name }) => name);
      await writeFile(
        join(root, 'streams/v1/index.json'),
        renderIndex([{ name: 'images', products: names }], { updated: new Date(0) }),
      );
      await writeFile(join(root, streamPath('images')), documentOf(products));
      const { versions, failures } = await readTreeDocuments(root);
      expect(failures).toEqual([]);
      const read = versions.map(({ product: key, serial, label, files }) => ({
        name: productName(key),
        serial,
        label,
        files: files
          .filter(({ rank }) => !isTwin(rank))
          .map(({ role, name, size: bytes, digest }) => ({ type: role, path: name, size: bytes, digest })),
      }));
      const written = products.flatMap((entry) =>
        entry.versions.map((version) => ({
          name: entry.name,
          serial: version.serial,
          label: version.label,
          files: filesOf(entry, version)
            .filter(({ type }) => type !== 'squashfs.vcdiff')
            .map(({ fingerprint: _, ...file }) => file),
        })),
      );
      const byName = (one: { name: string; serial: string }, other: { name: string; serial: string }) =>
        `${one.name} ${one.serial}` < `${other.name} ${other.serial}` ? -1 : 1;
      expect(read.sort(byName)).toEqual(written.sort(byName));
    }),
    { numRuns: 30 },
  );
});

/** Whether an ftype is the second name of the same file. */
function isTwin(rank: number): boolean {
  const known = knownFtypes[rank];
  return known !== undefined && factsOf(known.type).published[0]?.ftype !== known.ftype;
}
