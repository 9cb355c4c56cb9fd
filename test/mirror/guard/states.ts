import type { MirrorDefinition } from '../../../src/config/mirror-schema.ts';
import type { MirrorServices } from '../../../src/mirror/mirror-services.ts';
import { runMirror } from '../../../src/mirror/run/run.ts';
import type { RunOptions } from '../../../src/mirror/run/run-options.ts';
import type { TestUpstream } from '../test-upstream.ts';
import type { SigningKey } from '../upstream/gpg.ts';
import { held } from '../workspace.ts';

export const bookworm = 'debian:bookworm:amd64:default';
export const trixie = 'debian:trixie:amd64:default';

/** The dates of the two states of an upstream, as its documents and as its signatures have them. */
export const older = { updated: 'Tue, 03 Sep 2024 10:00:00 +0000', day: '20240903' };
const newer = { updated: 'Wed, 02 Oct 2024 10:00:00 +0000', day: '20241002' };

type Files = ReadonlyMap<string, Buffer>;

/**
 * Makes two states of an upstream, and leaves the newer one: it has a version more, and its alias `lts` has moved.
 * @param options.key signs the documents, each on its day
 * @param options.dated whether the documents say when they were changed
 */
export async function makeStates(
  upstream: TestUpstream,
  { key, dated = true }: { key?: SigningKey; dated?: boolean } = {},
): Promise<{ old: Files; recent: Files }> {
  const announce = async ({ updated, day }: typeof older) => {
    upstream.updated = dated ? updated : undefined;
    upstream.announce();
    if (key !== undefined) await upstream.sign(key, { at: day });
    return upstream.snapshot();
  };
  await upstream.offer(trixie, '20240901_0000', { product: { aliases: 'debian/trixie' } });
  await upstream.offer(bookworm, '20240901_0000', { product: { aliases: 'debian/bookworm,lts' } });
  const old = await announce(older);
  await upstream.offer(trixie, '20241001_0000', { product: { aliases: 'debian/trixie,lts' } });
  Object.assign(upstream.products[bookworm] ?? {}, { aliases: 'debian/bookworm' });
  return { old, recent: await announce(newer) };
}

/** Short waits between attempts, for addresses that do not answer. */
const times = { backoff: { attempts: 2, firstDelay: 10, longestDelay: 20 } };

/** Runs a mirror on request. */
export async function runOnce(
  definition: MirrorDefinition,
  parts: MirrorServices,
  options: Omit<RunOptions, 'cause'> = {},
) {
  return await runMirror(definition, parts, { cause: 'manual', times, ...options });
}

/** What a rollback would change: versions, and the products of the alias `lts`. */
export async function shown(parts: MirrorServices) {
  const [alias] = await parts.catalog.aliases.named('lts');
  return { versions: (await held(parts)).sort(), lts: alias?.products };
}

/** {@link shown} of the newer state. */
export const newest = {
  versions: [`${bookworm}@20240901_0000`, `${trixie}@20240901_0000`, `${trixie}@20241001_0000`],
  lts: [trixie],
};
