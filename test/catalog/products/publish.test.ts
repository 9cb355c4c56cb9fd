import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Catalog } from '../../../src/catalog/catalog.ts';
import type { PublishOutcome } from '../../../src/catalog/products/publish.ts';
import { HeadwaterError, messageOf } from '../../../src/errors.ts';
import type { VersionDraft } from '../../../src/model/versions.ts';
import { draft, scratchCatalog, sha256 } from '../../support/catalog.ts';
import { PublishModel } from './publish-model.ts';

/** One publish of few products, so that they meet. */
const publication = fc.record({
  os: fc.constantFrom('debian', 'ubuntu', 'alpine'),
  serial: fc.constantFrom('20260101_0000', '20260102_0000', '20260103_0000', '20260104_0000'),
  owner: fc.oneof({ weight: 8, arbitrary: fc.constant('local') }, fc.constant('mirror:other')),
  stream: fc.oneof({ weight: 8, arbitrary: fc.constant('images') }, fc.constant('other')),
  title: fc.constantFrom('Bookworm', 'Trixie', 'Forky'),
  aliases: fc.uniqueArray(fc.constantFrom('stable', 'testing'), { maxLength: 1 }),
  implied: fc.uniqueArray(fc.constantFrom('stable', 'newest'), { maxLength: 2 }),
  /** Which files it has: those of its serial, others, or the same ones under each serial. */
  files: fc.constantFrom('own', 'own', 'own', 'other', 'shared', 'shared'),
  isDerived: fc.oneof({ weight: 3, arbitrary: fc.constant(false) }, fc.constant(true)),
  isStored: fc.oneof({ weight: 8, arbitrary: fc.constant(true) }, fc.constant(false)),
});
type Publication = typeof publication extends fc.Arbitrary<infer Value> ? Value : never;

function draftOf(publication: Publication): VersionDraft {
  const { os, serial, owner, stream, title, aliases, implied, files, isDerived } = publication;
  const made = draft({ os, serial, owner, stream, aliases, implied });
  const mark = files === 'shared' ? '' : serial;
  const items = made.items.map((item) => ({
    ...item,
    digest: sha256(`${os} ${mark} ${files} ${item.type}`),
  }));
  return {
    ...made,
    items,
    details: { ...made.details, releaseTitle: title },
    ...(isDerived ? { serialIsDerived: true } : {}),
  };
}

async function publish(catalog: Catalog, one: Publication): Promise<PublishOutcome | string> {
  const assertStored = () =>
    one.isStored ? Promise.resolve() : Promise.reject(new HeadwaterError('unavailable', 'not there'));
  const now = new Date('2026-02-01T00:00:00Z');
  return await catalog.versions
    .publish(draftOf(one), assertStored, { now })
    .catch((error: unknown) => messageOf(error));
}

/** An outcome as the model has it: without the reasons of a refusal. */
function summary(outcome: PublishOutcome | string): unknown {
  if (typeof outcome === 'string') return 'refused';
  const { withheldAliases, ...rest } = outcome;
  return { ...rest, withheld: withheldAliases.map(({ alias }) => alias) };
}

/** What is in a catalog, but for what only says when it came in. */
async function contentOf(catalog: Catalog): Promise<unknown> {
  const products = [];
  for await (const product of catalog.products.each()) products.push(product);
  const events = [];
  for (const { action, subject } of await catalog.audit.list({ limit: 1000 }))
    events.push(`${action} ${subject}`);
  return { products, aliases: await catalog.aliases.list(), events: events.sort() };
}

/** Takes all versions of a catalog out of the documents. */
async function removeAll(catalog: Catalog): Promise<void> {
  for await (const { stream, name, versions } of catalog.products.each()) {
    for (const { serial } of versions) await catalog.versions.remove({ stream, name }, serial);
  }
}

test('versions that are published at the same moment are what they are when they come one after the other', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        removed: fc.array(publication, { maxLength: 3 }),
        present: fc.array(publication, { maxLength: 2 }),
        meeting: fc.array(publication, { minLength: 2, maxLength: 25 }),
      }),
      async ({ removed, present, meeting }) => {
        const [together, single] = [await scratchCatalog(), await scratchCatalog()];
        const model = new PublishModel();
        for (const catalog of [together, single]) {
          for (const one of removed) await publish(catalog, one);
          await removeAll(catalog);
          for (const one of present) await publish(catalog, one);
        }
        for (const one of removed) model.publish(one);
        model.removeAll();
        for (const one of present) model.publish(one);
        const outcomes = await Promise.all(meeting.map((one) => publish(together, one)));
        expect(outcomes.map(summary)).toEqual(meeting.map((one) => model.publish(one)));
        const expected = [];
        for (const one of meeting) expected.push(await publish(single, one));
        expect(outcomes).toEqual(expected);
        expect(await contentOf(together)).toEqual(await contentOf(single));
      },
    ),
    { numRuns: 60 },
  );
});
