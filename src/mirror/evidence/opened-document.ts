import type { BlobStore } from '../../blobs/blob-store.ts';
import type { KeptDocument } from '../../catalog/evidence/document-rows.ts';
import { readDocument } from '../../evidence/read-document.ts';
import { Verifier } from '../../keys/verifier.ts';
import { productName } from '../../model/names.ts';
import { type OfferedVersion, Skips } from '../../simplestreams/read/offered.ts';
import { readOffer } from '../../simplestreams/read/offered-document.ts';
import type { HeldName } from '../../simplestreams/read/serial.ts';
import { type VerifiedDocument, verifiedDocument } from '../upstream/verified-document.ts';

/** A version to find in a document. */
interface Wanted {
  /** `os:release:architecture:variant` */
  product: string;
  /** The variant in its name. */
  variant: string;
  serial: string;
  /** Absent for versions that early releases mirrored. */
  upstreamName?: string;
}

/** Versions by their serials, by the name of their product. */
type Versions = Map<string, Map<string, OfferedVersion>>;

/** A kept document whose signature was checked once more. */
export class OpenedDocument {
  readonly #document: KeptDocument;
  readonly #verified: VerifiedDocument;
  readonly #held: (product: string) => readonly HeldName[];
  readonly #byVariant = new Map<string, Versions>();

  private constructor(
    document: KeptDocument,
    verified: VerifiedDocument,
    held: (product: string) => readonly HeldName[],
  ) {
    this.#document = document;
    this.#verified = verified;
    this.#held = held;
  }

  /**
   * Reads a document and checks its signature, as of the time when it was fetched.
   * @param options.keyring undefined where the mirror accepts unsigned documents: nothing is proven then
   * @param options.held the known versions of a product, as a run uses them
   * @throws HeadwaterError when its bytes are not those that were kept; `invalid` when its signature is refused
   */
  static async open(
    store: BlobStore,
    document: KeptDocument,
    options: { keyring: string | undefined; held: (product: string) => readonly HeldName[] },
  ): Promise<OpenedDocument> {
    const { keyring, held } = options;
    const bytes = await readDocument(store, document);
    const verified = await verifiedDocument(document.path, bytes, {
      verifier: keyring === undefined ? undefined : await Verifier.open(keyring),
      signature: () => Promise.resolve(document.signature),
      at: document.fetchedAt,
    });
    return new OpenedDocument(document, verified, held);
  }

  /** Whether a key of the keyring signed it. */
  get isSigned(): boolean {
    return this.#verified.signedBy.length > 0;
  }

  /** How its signature, or the key, has expired since it was fetched. */
  get expired(): string | undefined {
    return this.#verified.expired;
  }

  /** The version in the document, found by the code that reads the documents of upstreams. */
  find({ product, variant, serial, upstreamName }: Wanted): OfferedVersion | undefined {
    const found = this.#versions(variant).get(product)?.get(serial);
    return upstreamName === undefined || found?.name === upstreamName ? found : undefined;
  }

  /** @param variant given to products that have none: a definition may have had another one by then */
  #versions(variant: string): Versions {
    const known = this.#byVariant.get(variant);
    if (known !== undefined) return known;
    const versions: Versions = new Map();
    const { offered } = readOffer(this.#verified.bytes, this.#document.path, {
      select: (_around, _fields, version) => version,
      variant,
      deltas: true,
      skips: new Skips(),
      held: this.#held,
    });
    for (const { key, versions: listed } of offered) {
      const name = productName(key);
      // Of two products with the same name, a mirror follows the first.
      if (!versions.has(name))
        versions.set(name, new Map(listed.map((version) => [version.serial, version])));
    }
    this.#byVariant.set(variant, versions);
    return versions;
  }
}
