import type { BlobStore } from '../../blobs/blob-store.ts';
import { parseManifest } from '../../bundle/format/manifest.ts';
import type { CarriedBlob, Manifest } from '../../bundle/format/manifest-schema.ts';
import type { OpenBundle } from '../../bundle/verify/open-bundle.ts';
import type { AwaitedBlob } from '../../catalog/bundles/received-bundles.ts';
import type { SiteMirror } from '../../config/sites/site-mirror-schema.ts';
import { defined } from '../../model/defined.ts';
import { type Digest, parseDigest } from '../../model/digest.ts';
import type { MirrorServices } from '../mirror-services.ts';
import { assertNotShrunk } from '../run/assert-not-shrunk.ts';
import { storedDigests } from '../run/held.ts';
import { type Place, placeOf } from './chain.ts';
import { judgeProof } from './proof.ts';
import { readSiteOffer, type SiteOffer } from './site-offer.ts';
import { planSite, type SitePlan } from './site-plan.ts';
import { siteMark, siteState } from './site-state.ts';
import { awaitedBlobs, summarize, type Waiting } from './waiting.ts';

/** How an import is prepared. */
export interface PreparationOptions {
  /** Accept a bundle of another chain, ignore `maxShrink`, and look into the store for blobs that it lost. */
  force?: boolean;
  /** The name of this site, if the configuration sets it. */
  ownSite?: string;
}

/** What an import will do. */
export interface Preparation {
  place: Place;
  /** It was imported before, and completely. */
  isKnown: boolean;
  /** The state that the mirror follows: of this bundle if it is the newest one. */
  state: Manifest;
  /** The bundle of that state. */
  newest: { identity: string; signedBy: string | undefined };
  offer: SiteOffer;
  plan: SitePlan;
  /** The blobs of the bundle that are needed and not stored, by digest (`sha256:…`). */
  wanted: ReadonlyMap<string, CarriedBlob>;
  /** All blobs of versions to add. */
  awaited: AwaitedBlob[];
  /** What versions will wait for after this bundle. */
  waiting: Waiting;
  /** What the last import recorded. */
  before: Awaited<ReturnType<typeof stateBefore>>;
  /** The mark of the definition. */
  mark: string;
  isStored: (digest: string) => boolean;
}

/**
 * Compares a bundle with what is held. Changes nothing.
 * @throws HeadwaterError `conflict` for a bundle from another site, for another site or of another chain, and for a state that
 * has shrunk
 */
export async function prepareImport(
  definition: SiteMirror,
  bundle: OpenBundle,
  services: Pick<MirrorServices, 'catalog' | 'store'>,
  options: PreparationOptions,
): Promise<Preparation> {
  const { catalog } = services;
  const { name } = definition;
  const { force = false, ownSite } = options;
  const received = await catalog.received.list(name);
  const followed = await catalog.received.followed(name);
  const place = placeOf(definition, bundle, received, {
    ...{ followed: followed?.identity, force },
    ...defined({ ownSite }),
  });
  const state =
    place.isNewest || followed === undefined
      ? bundle.content
      : parseManifest(Buffer.from(followed.manifest), `bundle ${followed.sequence} in the catalog`);
  const newest =
    place.isNewest || followed === undefined
      ? bundle
      : { identity: followed.identity, signedBy: followed.signedBy ?? undefined };
  const offer = readSiteOffer(state, definition, judgeProof(definition));
  const mark = siteMark(definition);
  const before = await stateBefore(services, name);
  if (!force) assertNotShrunk(definition, { ...offer, isComplete: true }, before, mark);
  const stored = await storedDigests(services, { force });
  // A site sends a blob again that this one lost. It is normal that none is carried that is stored.
  const lost = await lostBlobs(services.store, stored, bundle.content.carried);
  for (const digest of lost) stored.delete(digest);
  const isStored = (digest: string) => stored.has(digest);
  const plan = await planSite(definition, catalog, offer, isStored);
  const awaited = awaitedBlobs(plan.add, state);
  const missing = awaited.filter(({ digest }) => !stored.has(digest));
  const needed = new Set<string>([...lost, ...missing.map(({ digest }) => digest)]);
  const carried = bundle.content.carried.filter(({ digest }) => needed.has(parseDigest(digest)));
  return {
    ...{ place, state, newest, offer, plan, awaited, before, mark, isStored },
    isKnown: received.some(({ identity, isComplete }) => identity === bundle.identity && isComplete),
    wanted: new Map(carried.map((blob) => [blob.digest, blob])),
    waiting: waitingWithout(plan, missing, new Set(carried.map(({ digest }) => parseDigest(digest)))),
  };
}

async function stateBefore({ catalog }: Pick<MirrorServices, 'catalog'>, mirror: string) {
  return await catalog.mirrors.state(mirror, siteState);
}

/** Blobs of a bundle that the catalog knows and the store does not have. */
async function lostBlobs(
  store: BlobStore,
  stored: ReadonlySet<string>,
  carried: readonly CarriedBlob[],
): Promise<Digest[]> {
  const lost: Digest[] = [];
  for (const digest of carried.map((blob) => parseDigest(blob.digest))) {
    if (stored.has(digest) && (await store.stat(digest)) === undefined) lost.push(digest);
  }
  return lost;
}

/** What versions wait for once the bundle is here. */
function waitingWithout(
  plan: SitePlan,
  missing: readonly AwaitedBlob[],
  carried: ReadonlySet<string>,
): Waiting {
  const lacking = missing.filter(({ digest }) => !carried.has(digest));
  const digests = new Set(lacking.map(({ digest }) => digest));
  const versions = plan.add.filter(({ files }) => files.some(({ sha256 = '' }) => digests.has(sha256)));
  return summarize(versions.length, lacking);
}
