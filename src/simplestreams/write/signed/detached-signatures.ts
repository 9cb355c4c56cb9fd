import { assemble, type Document, gzipSegment } from '../gzip-segment.ts';

/** The time after a failure before a request tries again, in milliseconds. */
const failureStands = 5000;

/** Makes a detached signature of bytes, whose memory it takes over. */
type Sign = (bytes: Uint8Array<ArrayBuffer>) => Promise<Uint8Array>;

/**
 * The detached signatures of documents (`*.json.gpg`). A signature is made once for each rendered document and looked up by
 * it, so that a document and a signature that are served at the same time always match.
 */
export class DetachedSignatures {
  readonly #sign: Sign;
  #made = new WeakMap<Document, Promise<Document>>();

  constructor(sign: Sign) {
    this.#sign = sign;
  }

  /** The signature of a document. @throws HeadwaterError if signing fails */
  async of(document: Document): Promise<Document> {
    return await this.#of(document, this.#made);
  }

  /** Replaces all signatures after a change of the key. The signatures of `documents` change at the same moment. */
  async renew(documents: Iterable<Document>): Promise<void> {
    const made = new WeakMap<Document, Promise<Document>>();
    await Promise.all([...documents].map((document) => this.#of(document, made)));
    this.#made = made;
  }

  #of(document: Document, made: WeakMap<Document, Promise<Document>>): Promise<Document> {
    const known = made.get(document);
    if (known !== undefined) return known;
    const making = this.#make(document);
    made.set(document, making);
    making.catch(() => {
      setTimeout(() => made.delete(document), failureStands).unref();
    });
    return making;
  }

  async #make(document: Document): Promise<Document> {
    const signature = await this.#sign(bytesOf(document));
    return assemble([await gzipSegment(signature)], 'application/pgp-signature');
  }
}

/** A copy of the bytes of a document, in memory of its own. */
export function bytesOf({ plain, plainLength }: Document): Uint8Array<ArrayBuffer> {
  const bytes = Buffer.allocUnsafeSlow(plainLength);
  let offset = 0;
  for (const piece of plain) {
    bytes.set(piece, offset);
    offset += piece.length;
  }
  return bytes;
}
