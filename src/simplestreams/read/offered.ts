import type { Digest } from '../../model/digest.ts';
import type { ImageType } from '../../model/item-types.ts';
import type { ProductKey } from '../../model/names.ts';
import type { DocumentDetails } from './product.ts';
import type { ListedFile } from './version.ts';

// The usable offers of an upstream: the result of reading its documents.

/** A file of the upstream, below its base (`path.ts`). One of the digests is there, at least. */
export interface OfferedFile extends ListedFile {
  size: number;
}

/** A file that holds a root: together with the version's metadata, or by itself, it is an image. */
export interface OfferedRoot extends OfferedFile {
  type: ImageType;
  /** Whether the metadata is inside. */
  unified: boolean;
  /** sha256(metadata bytes, then root bytes), as the upstream says. */
  fingerprint?: Digest;
}

export interface OfferedDelta extends OfferedFile {
  /** The serial of the version it leads from. */
  base: string;
}

export interface OfferedVersion {
  /** What the upstream calls it. */
  name: string;
  /** What it is called here. */
  serial: string;
  label?: string;
  metadata?: OfferedFile;
  roots: OfferedRoot[];
  deltas: OfferedDelta[];
}

export interface OfferedProduct {
  /** What the upstream calls it. */
  name: string;
  key: ProductKey;
  details: DocumentDetails['said'];
  versions: OfferedVersion[];
}

/** The length of a remembered example, in characters: documents may contain anything. */
const maxExampleLength = 300;

/** Counts unusable entries by reason. */
export class Skips {
  readonly #reasons = new Map<string, { count: number; example: string }>();

  /** @param where one that it happened to: the first of each reason is remembered */
  add(reason: string, where: string): void {
    const known = this.#reasons.get(reason);
    if (known === undefined)
      this.#reasons.set(reason, { count: 1, example: where.slice(0, maxExampleLength) });
    else known.count += 1;
  }

  list(): Skipped[] {
    return [...this.#reasons].map(([reason, rest]) => ({ reason, ...rest }));
  }
}

export interface Skipped {
  reason: string;
  count: number;
  /** One that it happened to. */
  example: string;
}
