import type { RecordedEvidence } from '../../catalog/evidence/evidence.ts';
import type { Provenance } from '../../catalog/evidence/evidence-rows.ts';
import { keepDocument } from '../../evidence/keep-document.ts';
import { defined } from '../../model/defined.ts';
import type { VersionEvidence } from '../../model/evidence.ts';
import type { Item } from '../../model/versions.ts';
import type { MirrorServices } from '../mirror-services.ts';
import { isTakenApart } from '../plan/held-versions.ts';
import type { FoundDocument, Listing } from './found-documents.ts';
import { vouching } from './vouching.ts';

/** A version in a document that is kept. */
interface KeptListing extends Listing {
  document: number;
  isSigned: boolean;
}

/** The evidence that one run of a mirror has: its documents, which it keeps, and the versions that they list. */
export class RunEvidence {
  readonly #listings: ReadonlyMap<string, KeptListing>;
  readonly #owner: string;
  readonly #catalog: MirrorServices['catalog'];
  readonly #servedBy: (path: string) => string | undefined;

  private constructor(
    { owner, catalog }: { owner: string; catalog: MirrorServices['catalog'] },
    listings: ReadonlyMap<string, KeptListing>,
    servedBy: (path: string) => string | undefined,
  ) {
    this.#owner = owner;
    this.#catalog = catalog;
    this.#listings = listings;
    this.#servedBy = servedBy;
  }

  /**
   * Keeps the documents that vouch for a version.
   * @param options.owner whose versions they are
   * @param options.servedBy the address that a file came from in this run, by its path
   * @throws HeadwaterError the errors of the store and the catalog
   */
  static async keep(
    services: Pick<MirrorServices, 'catalog' | 'store'>,
    found: readonly FoundDocument[],
    options: { mirror: string; owner: string; servedBy: (path: string) => string | undefined },
  ): Promise<RunEvidence> {
    const { mirror, owner, servedBy } = options;
    const listings = new Map<string, KeptListing>();
    for (const { document, listings: listed } of found) {
      if (listed.length === 0) continue;
      const id = await keepDocument(services, { ...document, mirror, owner });
      for (const listing of listed) {
        const key = keyOf(listing.product, listing.version.serial);
        const isSigned = document.signedBy.length > 0;
        // Of two documents that list a version, the mirror follows the first.
        if (!listings.has(key)) listings.set(key, { ...listing, document: id, isSigned });
      }
    }
    return new RunEvidence({ owner, catalog: services.catalog }, listings, servedBy);
  }

  /** The evidence for a version that is about to be published; {@link follow} compares the digests of its files. */
  of(product: string, serial: string): VersionEvidence | undefined {
    const listing = this.#listings.get(keyOf(product, serial));
    return listing === undefined ? undefined : this.#evidence(listing, !isTakenApart(listing.version));
  }

  /**
   * Compares the versions of the mirror with its documents: a version that a newer document still lists with the same digests
   * refers to that one. Documents to which no version refers are forgotten.
   */
  async follow(): Promise<void> {
    const known = new Map<string, Provenance>();
    for (const one of await this.#catalog.evidence.ofOwner(this.#owner))
      known.set(`${one.stream} ${keyOf(one.product, one.serial)}`, one);
    const changed: RecordedEvidence[] = [];
    for await (const { stream, name, versions } of this.#catalog.products.each({ owner: this.#owner })) {
      for (const { serial, items } of versions) {
        const before = known.get(`${stream} ${keyOf(name, serial)}`);
        const evidence = this.#next(this.#listings.get(keyOf(name, serial)), items, before);
        if (evidence === undefined) continue;
        changed.push({
          stream,
          product: name,
          serial,
          evidence,
          ...defined({ recordedAt: before?.recordedAt }),
        });
      }
    }
    await this.#catalog.evidence.record(changed);
    await this.#catalog.evidence.forgetUnused(this.#owner);
  }

  /** @returns undefined where the recorded evidence stays */
  #next(
    listing: KeptListing | undefined,
    items: readonly Item[],
    before: Provenance | undefined,
  ): VersionEvidence | undefined {
    if (listing === undefined || vouching(listing.version, items).result !== 'same') {
      // That nothing proves a version is recorded, too: the next run need not look for it again.
      if (before?.proof === undefined) return { proof: 'none' };
      const isUnproven = before.proof === 'upstream' && before.document?.id === listing?.document;
      return isUnproven && listing !== undefined ? this.#evidence(listing, false, before) : undefined;
    }
    const next = this.#evidence(listing, true, before);
    if (before?.proof === 'upstream' && next.proof !== 'upstream') return undefined;
    const isSame =
      before?.document?.id === next.document &&
      before?.proof === next.proof &&
      before.servedBy === next.servedBy;
    return isSame ? undefined : next;
  }

  #evidence(
    { document, isSigned, upstreamProduct, version }: KeptListing,
    isProven: boolean,
    before?: Provenance,
  ): VersionEvidence {
    const [root] = version.roots;
    const servedBy = (root === undefined ? undefined : this.#servedBy(root.path)) ?? before?.servedBy;
    const proof = isSigned && isProven ? 'upstream' : 'none';
    return { proof, document, upstreamProduct, ...defined({ servedBy }) };
  }
}

function keyOf(product: string, serial: string): string {
  return `${product}@${serial}`;
}
