import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type HeldProduct, makePlan, type PlanInput } from '../../../src/mirror/plan/plan.ts';
import { type Keep, retiredSerials, wantedSerials } from '../../../src/mirror/plan/retention.ts';
import { document, hash, item, offeredBy, product, version } from '../documents.ts';

const name = 'debian:bookworm:amd64:default';
const owner = 'mirror:test';

function days(...numbers: number[]): string[] {
  return numbers.map((day) => `202601${String(day).padStart(2, '0')}_0000`);
}

function upstream(...serials: string[]) {
  return document({ a: product(Object.fromEntries(serials.map((serial) => [serial, version(serial)]))) });
}

function holding(serials: string[], changes: Partial<HeldProduct> = {}): HeldProduct {
  const versions = serials.map((serial) => ({
    serial,
    items: ['lxd.tar.xz', 'squashfs'].map((type) => ({
      type: type === 'squashfs' ? ('squashfs' as const) : ('metadata' as const),
      digest: hash(`${serial}/${type}`),
    })),
  }));
  return { name, owner, stream: 'images', versions, ...changes };
}

function terms(keep: Keep, isComplete = true) {
  return { keep, now: new Date('2026-01-31T00:00:00Z'), isComplete };
}

/** A plan for a mirror whose versions are here with all their bytes. */
function plan(content: unknown, held: HeldProduct[] = [], changes: Partial<PlanInput> = {}) {
  const items = held.flatMap(({ versions }) => versions.flatMap((version) => version.items));
  const stored = new Set(items.map(({ digest }) => digest));
  return makePlan({
    offered: offeredBy(content).offered,
    held,
    owner,
    stream: 'images',
    terms: terms({ versions: 2, removed: 'keep' }),
    isStored: (digest) => stored.has(digest),
    ...changes,
  });
}

const serialsOf = (list: { version: { serial: string } }[]) => list.map(({ version: { serial } }) => serial);

describe('a plan', () => {
  test('adds the newest versions that are missing, the newest first', () => {
    const made = plan(upstream(...days(1, 2, 3)));
    expect(serialsOf(made.add)).toEqual(days(3, 2));
    expect(made).toMatchObject({ kept: 0, retire: [], fetch: 4000, stored: 0, skipped: [] });
  });

  test('keeps what is here and retires what is outside', () => {
    const made = plan(upstream(...days(2, 3)), [holding(days(1, 2))]);
    expect(serialsOf(made.add)).toEqual(days(3));
    expect(made.retire).toEqual([{ product: name, serial: days(1)[0] }]);
    expect(made.kept).toBe(1);
  });

  test('with nothing new does nothing', () => {
    expect(plan(upstream(...days(1, 2)), [holding(days(1, 2))])).toMatchObject({
      add: [],
      retire: [],
      kept: 2,
    });
  });

  test('counts a blob once, and not at all when it is here', () => {
    const shared = hash('shared');
    const same = (serial: string) => ({
      items: { m: item(`${serial}m`, 'lxd.tar.xz'), r: item('r', 'squashfs', { sha256: shared }) },
    });
    const content = document({ a: product({ '20260101': same('1'), '20260102': same('2') }) });
    expect(plan(content)).toMatchObject({ fetch: 3000, stored: 1000 });
    expect(plan(content, [], { isStored: (digest) => digest === shared })).toMatchObject({
      fetch: 2000,
      stored: 2000,
    });
  });

  test('leaves products of others alone, and says so', () => {
    const { skipped, move } = plan(upstream(...days(1)), [
      holding(days(5), { owner: 'local', stream: 'other' }),
    ]);
    expect(skipped.map(({ reason }) => reason)).toEqual(['the product is owned by local']);
    expect(move).toEqual([]);
  });

  test('moves its own products into the stream of the definition', () => {
    const here = holding(days(1), { stream: 'other' });
    expect(plan(upstream(...days(1, 2)), [here])).toMatchObject({ move: [name], kept: 1, add: [{}] });
    expect(plan(document({}), [here])).toMatchObject({ move: [name], kept: 1 });
  });

  test('does not touch a published version whose files the upstream changed', () => {
    const held = holding(days(1));
    held.versions[0]?.items.splice(1, 1);
    const made = plan(upstream(...days(1)), [held]);
    expect(made.add).toEqual([]);
    expect(made.skipped.map(({ reason }) => reason)).toEqual([
      'it is published with other files, and a published version never changes',
    ]);
  });

  test('brings the lacking files of a listed version, as far as they are selected', () => {
    const held = holding(days(1));
    held.versions[0]?.items.push({ type: 'disk-kvm.img', digest: hash('disk') });
    const metadata = held.versions[0]?.items[0]?.digest;
    const isStored = (digest: string) => digest === metadata;
    const made = plan(upstream(...days(1)), [held], { isStored });
    expect(made.add).toMatchObject([{ listed: true, files: [{ ftype: 'squashfs' }], fetch: 1000 }]);
    expect(made).toMatchObject({ kept: 0, retire: [] });
    const path = `images/${days(1)[0]}/squashfs`;
    const onDemand = (source: string | undefined) =>
      plan(upstream(...days(1)), [held], { isStored, sourceOf: () => source });
    expect(onDemand(path)).toMatchObject({ add: [], kept: 1, retire: [] });
    expect(onDemand('elsewhere').add).toHaveLength(1);
    expect(onDemand(undefined).add).toHaveLength(1);
  });

  test('takes one product where the upstream has two of one name here', () => {
    const content = document({
      a: product({ '20260101': version('1') }),
      b: product({ '20260102': version('2') }),
    });
    expect(serialsOf(plan(content).add)).toEqual(days(1));
    expect(plan(content).skipped).toMatchObject([
      { reason: 'another product of the upstream has the same name', count: 1 },
    ]);
  });

  test('takes the delta from the newest base that will be here, and no other', () => {
    const withDeltas = (...bases: string[]) => {
      const { items } = version('3');
      const deltas = bases.map((base) => [
        `d${base}`,
        item(`d${base}`, 'squashfs.vcdiff', { delta_base: base }),
      ]);
      return { items: { ...items, ...Object.fromEntries(deltas) } };
    };
    const [one = '', two = '', three = ''] = days(1, 2, 3);
    const content = document({
      a: product({
        [one]: version('1'),
        [two]: version('2'),
        [three]: withDeltas(one, two, three, '20250101'),
      }),
    });
    const bases = (versions: number) =>
      plan(content, [], { terms: terms({ versions, removed: 'keep' }) }).add.flatMap(({ files }) =>
        files.flatMap((file) => ('base' in file ? [file.base] : [])),
      );
    expect(bases(3)).toEqual([two]);
    expect(bases(1)).toEqual([]);
  });
});

describe('keep', () => {
  const day = 86_400_000;
  const sets = (offered: string[], held: string[], stored = held) => ({
    offered: new Set(offered),
    held: new Set(held),
    stored: new Set(stored),
  });

  test('counts versions that the upstream removed, or retires them', () => {
    const serials = sets(days(3), days(1, 2, 3));
    expect(retiredSerials(serials, terms({ versions: 3, removed: 'keep' }))).toEqual([]);
    expect(retiredSerials(serials, terms({ versions: 2, removed: 'keep' }))).toEqual(days(1));
    expect(retiredSerials(serials, terms({ versions: 3, removed: 'retire' }))).toEqual(days(1, 2));
  });

  test('has an age, which the newest that is offered may exceed', () => {
    const keep = { age: 10 * day, removed: 'keep' as const };
    expect([...wantedSerials(sets(days(1, 25, 30), []), terms(keep))]).toEqual(days(30, 25));
    expect([...wantedSerials(sets(days(1, 2), []), terms(keep))]).toEqual(days(2));
    expect(retiredSerials(sets([], days(1, 2)), terms(keep))).toEqual(days(1, 2));
  });

  test('does not count what the upstream removed before it was here, and retires it', () => {
    const serials = sets(days(3), days(1, 2, 3), days(2));
    const keep = { versions: 2, removed: 'keep' as const };
    expect([...wantedSerials(serials, terms(keep))]).toEqual(days(3, 2));
    expect(retiredSerials(serials, terms(keep))).toEqual(days(1));
    expect(retiredSerials(sets([], days(1, 2), []), terms(keep))).toEqual(days(1, 2));
    // Nobody knows what is gone where documents do not belong together.
    expect(retiredSerials(sets([], days(1, 2), []), terms(keep, false))).toEqual([]);
  });

  test('retires nothing for what could not be fetched', () => {
    expect(retiredSerials(sets(days(2), days(1)), terms({ versions: 1, removed: 'retire' }))).toEqual([]);
    expect(retiredSerials(sets(days(2), days(1, 2)), terms({ versions: 1, removed: 'retire' }))).toEqual(
      days(1),
    );
  });
});

test('whatever is offered and held, a run comes to rest, within keep, and loses nothing that is offered and newest', () => {
  const serials = fc.uniqueArray(fc.integer({ min: 1, max: 28 })).map((numbers) => days(...numbers));
  const keeps = fc.record({
    versions: fc.integer({ min: 1, max: 5 }),
    removed: fc.constantFrom('keep' as const, 'retire' as const),
  });
  fc.assert(
    fc.property(serials, serials, keeps, (offered, held, keep) => {
      const content = upstream(...offered);
      const first = plan(content, held.length > 0 ? [holding(held)] : [], { terms: terms(keep) });
      const retired = new Set(first.retire.map(({ serial }) => serial));
      const after = [...held.filter((serial) => !retired.has(serial)), ...serialsOf(first.add)];
      expect(plan(content, after.length > 0 ? [holding(after)] : [], { terms: terms(keep) })).toMatchObject({
        add: [],
        retire: [],
      });
      expect(after.length).toBeLessThanOrEqual(Math.max(keep.versions, 1));
      const newest = [...offered].sort().at(-1);
      const isNewest =
        newest !== undefined && (keep.removed === 'retire' || held.every((serial) => serial <= newest));
      if (isNewest) expect(after).toContain(newest);
    }),
  );
});
