import { describe, expect, test } from 'vitest';
import type { Catalog } from '../../../src/catalog/catalog.ts';
import { allows, type Permit, type Target } from '../../../src/model/rights.ts';
import { imagePath } from '../../../src/simplestreams/write/paths.ts';
import { draft, pushDraft, scratchCatalog, sha256, stored, testActor } from '../../support/catalog.ts';

const name = 'debian:bookworm:amd64:default';
const family = { os: 'debian', release: 'bookworm', variant: 'default' };
const serial = '20260101_0000';

/** A version of the same product and serial as every other, with files of its own. */
function build(stream: string, changes: Parameters<typeof draft>[0] = {}) {
  const made = draft({ stream, ...changes });
  return {
    ...made,
    items: made.items.map((item) => ({
      ...item,
      digest: sha256(`${stream} ${item.digest}`),
      ...(item.fingerprint === undefined ? {} : { fingerprint: sha256(`${stream} ${item.fingerprint}`) }),
    })),
  };
}

async function inTwoStreams(): Promise<Catalog> {
  const catalog = await scratchCatalog();
  for (const stream of ['nightly', 'stable']) {
    const { outcome, withheldAliases } = await catalog.versions.publish(
      build(stream, { implied: ['debian/bookworm'] }),
      stored,
    );
    expect([outcome, withheldAliases]).toEqual(['created', []]);
  }
  return catalog;
}

/** The catalog, changed by somebody who may only publish and remove in some streams. */
function limited(catalog: Catalog, ...streams: string[]): Catalog {
  const holder = { key: 'token:ci', actions: ['publish', 'remove'] as ['publish', 'remove'], streams };
  const may: Permit['may'] = (action, target) => Promise.resolve(allows(holder, action, target));
  const demand = async (action: Parameters<Permit['demand']>[0], target: Target) => {
    if (!(await may(action, target))) throw new Error(`may not ${action} in ${target.stream}`);
  };
  const maySee: Permit['maySee'] = (target) => may('read', target);
  return catalog.by({ ...testActor, permit: { ...testActor.permit, may, demand, maySee } });
}

const digestsOf = async (catalog: Catalog, stream: string) =>
  (await catalog.products.find({ stream, name }))?.versions.flatMap(({ items }) =>
    items.map(({ digest }) => digest),
  );

describe('the same product in two streams', () => {
  test('has versions of its own in each, also under the same serial', async () => {
    const catalog = await inTwoStreams();
    for (const stream of ['nightly', 'stable']) {
      expect(await digestsOf(catalog, stream)).toEqual(build(stream).items.map(({ digest }) => digest));
    }
    const again = await catalog.versions.publish(build('nightly'), stored);
    expect(again.outcome).toBe('unchanged');
    expect((await catalog.products.named(name)).map(({ stream }) => stream)).toEqual(['nightly', 'stable']);
  });

  test('has paths of its own, which stay when it moves into another stream', async () => {
    const catalog = await inTwoStreams();
    const paths = async () => {
      const found = new Map<string, string | undefined>();
      for (const product of await catalog.products.named(name)) {
        const path = imagePath(product, serial, 'rootfs.squashfs');
        const [, place = ''] = /^images\/(?:([^/]+)\/)?debian\/bookworm\/amd64\/default\//.exec(path) ?? [];
        const file = await catalog.products.file({ ...draft().product, place }, serial, 'rootfs.squashfs');
        found.set(path, file?.digest);
      }
      return found;
    };
    const digest = (stream: string) => build(stream).items[1]?.digest;
    const plain = `images/debian/bookworm/amd64/default/${serial}/rootfs.squashfs`;
    const other = `images/stable/debian/bookworm/amd64/default/${serial}/rootfs.squashfs`;
    expect(await paths()).toEqual(
      new Map([
        [plain, digest('nightly')],
        [other, digest('stable')],
      ]),
    );
    await catalog.versions.publish(build('x', { owner: 'mirror:one' }), stored);
    expect(await catalog.products.move('mirror:one', 'y')).toBe(1);
    await catalog.versions.publish(build('x', { owner: 'mirror:two' }), stored);
    const found = await paths();
    expect(found.get(plain)).toBe(digest('nightly'));
    expect([...found.keys()].sort()).toEqual(
      [plain, other, other.replace('stable', 'x'), other.replace('stable', 'x~2')].sort(),
    );
  });

  test('is removed, and moved, in one of them only, with its alias', async () => {
    const catalog = await inTwoStreams();
    await catalog.versions.remove({ stream: 'nightly', name }, serial, new Date(), { withAliases: true });
    expect(await digestsOf(catalog, 'nightly')).toEqual([]);
    expect(await digestsOf(catalog, 'stable')).toHaveLength(2);
    expect((await catalog.aliases.list()).map(({ stream }) => stream)).toEqual(['stable']);
  });

  test('stays where it is when its owner moves and the stream has it of another', async () => {
    const catalog = await scratchCatalog();
    await catalog.versions.publish(build('images', { implied: ['debian/bookworm'] }), stored);
    const mirrored = { owner: 'mirror:up' };
    await catalog.versions.publish(build('site', { ...mirrored, implied: ['debian/bookworm'] }), stored);
    await catalog.versions.publish(
      draft({ os: 'alpine', stream: 'site', ...mirrored, implied: ['alpine/bookworm'] }),
      stored,
    );
    expect(await catalog.products.move('mirror:up', 'images')).toBe(1);
    const places = [];
    for await (const { stream, os, aliases } of catalog.products.each())
      places.push([stream, os, ...aliases]);
    expect(places).toEqual([
      ['images', 'alpine', 'alpine/bookworm'],
      ['images', 'debian', 'debian/bookworm'],
      ['site', 'debian'],
    ]);
  });
});

describe('an alias', () => {
  test('belongs to a stream: it is set and removed in one, which must be named where several may be meant', async () => {
    const catalog = await inTwoStreams();
    await expect(catalog.aliases.set('tested', family)).rejects.toMatchObject({
      kind: 'conflict',
      message: expect.stringContaining(
        'nightly/debian:bookworm:*:default or stable/debian:bookworm:*:default',
      ),
    });
    await catalog.aliases.set('tested', { ...family, stream: 'stable' });
    expect(await catalog.aliases.named('tested')).toMatchObject([{ stream: 'stable', products: [name] }]);
    await expect(catalog.aliases.unset('debian/bookworm')).rejects.toMatchObject({
      kind: 'conflict',
      message: expect.stringContaining('nightly/debian/bookworm or stable/debian/bookworm'),
    });
    await catalog.aliases.unset('debian/bookworm', 'nightly');
    await catalog.aliases.unset('tested');
    expect((await catalog.aliases.list()).map((alias) => `${alias.stream} ${alias.name}`)).toEqual([
      'stable debian/bookworm',
    ]);
  });

  test('is given to a second stream only by whoever may publish it in the first one', async () => {
    const catalog = await scratchCatalog();
    await catalog.versions.publish(build('stable', { implied: ['debian/bookworm'] }), stored);
    const team = limited(catalog, 'team');
    const { withheldAliases } = await team.versions.publish(
      build('team', { implied: ['debian/bookworm'] }),
      stored,
    );
    expect(withheldAliases).toEqual([{ alias: 'debian/bookworm', owner: 'another product' }]);
    const explicit = build('team', { serial: '20260102_0000', aliases: ['debian/bookworm'] });
    await expect(team.versions.publish(explicit, stored)).rejects.toThrow('alias debian/bookworm is taken');
    await expect(team.aliases.set('debian/bookworm', { ...family, stream: 'team' })).rejects.toThrow(
      'is taken',
    );
    await limited(catalog, 'team', 'stable').versions.publish(explicit, stored);
    expect((await catalog.aliases.named('debian/bookworm')).map(({ stream }) => stream)).toEqual([
      'stable',
      'team',
    ]);
  });

  test('of another owner is not given to a second stream, by nobody', async () => {
    const catalog = await scratchCatalog();
    await catalog.versions.publish(build('images', { implied: ['debian/bookworm'] }), stored);
    const { withheldAliases } = await catalog.versions.publish(
      build('mirrored', { owner: 'mirror:up', implied: ['debian/bookworm'] }),
      stored,
    );
    expect(withheldAliases).toEqual([
      { alias: 'debian/bookworm', owner: 'images/debian:bookworm:*:default' },
    ]);
    const followed = await catalog.aliases.follow(
      { owner: 'mirror:up', stream: 'mirrored' },
      new Map([['debian/bookworm', family]]),
      [],
    );
    expect(followed).toEqual({ changed: 0, withheld: [{ alias: 'debian/bookworm', owner: 'local' }] });
    const push = catalog.pushed.push(pushDraft('one', { aliases: [{ name: 'debian/bookworm' }] }), {
      assertStored: stored,
      quotas: {},
    });
    await expect(push).rejects.toThrow('points to images/debian:bookworm:*:default, which is owned by local');
  });
});

test('rights to one stream are none to the same product in another', async () => {
  const catalog = await inTwoStreams();
  const nightly = limited(catalog, 'nightly');
  await nightly.versions.publish(
    build('nightly', { serial: '20260102_0000', implied: ['debian/bookworm'] }),
    stored,
  );
  const elsewhere = nightly.versions.publish(build('stable', { serial: '20260102_0000' }), stored);
  await expect(elsewhere).rejects.toThrow('may not publish in stable');
  await expect(nightly.versions.remove({ stream: 'stable', name }, serial)).rejects.toThrow(
    'may not remove in stable',
  );
  // What it may not see leaves only one to be meant.
  await nightly.aliases.unset('debian/bookworm');
  expect((await catalog.aliases.list()).map(({ stream }) => stream)).toEqual(['stable']);
});
