import { createHash, hash } from 'node:crypto';
import type { Products } from '../../catalog/products/products.ts';
import { assemble, type Document, type GzipSegment, gzipSegment } from './gzip-segment.ts';
import { productsFrame, renderProduct } from './render.ts';

/**
 * The approximate text size of a segment: small enough to render in a few milliseconds, large enough to compress well.
 */
const pieceLength = 256 * 1024;

/** Products that are rendered and compressed together. */
interface Section {
  /** Their names, in order. */
  names: string[];
  segment: GzipSegment;
  /** The digests of its products, combined with exclusive or: the same however products are divided into sections. */
  digest: Buffer;
}

/** The time of the last change of a document, given what tells its present state from others. */
export type TimeOf = (content: string) => Promise<Date>;

/** The text around the sections. */
interface Frame {
  before: GzipSegment;
  between: GzipSegment;
  after: GzipSegment;
}

/**
 * The products document of one stream. It is kept in sections of neighbouring products, so that a change costs
 * what its section costs, not what the document costs. Immutable: a change makes a new one that shares the rest.
 */
export class StreamDocument {
  readonly stream: string;
  readonly document: Document;
  /** The time of its last change. */
  readonly updated: Date;
  /** What tells this state from others, whichever process rendered it. */
  readonly #content: string;
  readonly #sections: Section[];

  private constructor(
    stream: string,
    sections: Section[],
    { frame, content, updated }: { frame: Frame; content: string; updated: Date },
  ) {
    this.stream = stream;
    this.updated = updated;
    this.#content = content;
    this.#sections = sections;
    const segments = sections.flatMap(({ segment }, index) =>
      index === 0 ? [segment] : [frame.between, segment],
    );
    this.document = assemble([frame.before, ...segments, frame.after]);
  }

  /** Renders a stream from nothing. */
  static async render(stream: string, products: Products, timeOf: TimeOf): Promise<StreamDocument> {
    const sections = await renderSections(products.each({ stream, forDocuments: true }));
    return await StreamDocument.#of(stream, sections, contentOf(stream, sections), timeOf);
  }

  static async #of(
    stream: string,
    sections: Section[],
    content: string,
    timeOf: TimeOf,
  ): Promise<StreamDocument> {
    const updated = await timeOf(content);
    const { before, between, after } = productsFrame(stream, updated);
    const frame = {
      before: await gzipSegment(before),
      between: await gzipSegment(between),
      after: await gzipSegment(after),
    };
    return new StreamDocument(stream, sections, { frame, content, updated });
  }

  /** The names of its products, in order. */
  get products(): string[] {
    return this.#sections.flatMap(({ names }) => names);
  }

  has(product: string): boolean {
    return this.#sections[findLast(this.#sections, product)]?.names.includes(product) === true;
  }

  /**
   * The document after a change of some of its products: made, altered or gone.
   * @returns this document where the change does not show
   */
  async update(changed: string[], products: Products, timeOf: TimeOf): Promise<StreamDocument> {
    const affected = new Map<number, Set<string>>();
    for (const name of changed) {
      const index = Math.max(0, findLast(this.#sections, name));
      const names = affected.get(index) ?? new Set(this.#sections[index]?.names);
      affected.set(index, names.add(name));
    }
    const sections: Section[] = [];
    for (let index = 0; index < Math.max(1, this.#sections.length); index++) {
      const names = affected.get(index);
      const section = this.#sections[index];
      if (names !== undefined) {
        const { stream } = this;
        sections.push(
          ...(await renderSections(products.each({ stream, names: [...names], forDocuments: true }))),
        );
      } else if (section !== undefined) {
        sections.push(section);
      }
    }
    const content = contentOf(this.stream, sections);
    if (content === this.#content) return this;
    return await StreamDocument.#of(this.stream, sections, content, timeOf);
  }
}

/** What tells the state of a document from others: everything in it but the time. */
function contentOf(stream: string, sections: readonly Section[]): string {
  const digest = Buffer.alloc(32);
  for (const section of sections) combine(digest, section.digest);
  const { before, after } = productsFrame(stream, new Date(0));
  return createHash('sha256').update(before).update(digest).update(after).digest('hex');
}

/** Combines a digest with another one, in any order. */
function combine(digest: Buffer, other: Buffer): void {
  for (const [index, byte] of other.entries()) digest[index] = (digest[index] ?? 0) ^ byte;
}

/** The last section that begins at or before `name`, or -1. */
function findLast(sections: Section[], name: string): number {
  let [low, high] = [0, sections.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const first = sections[middle]?.names[0] ?? '';
    if (first <= name) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

async function renderSections(products: ReturnType<Products['each']>): Promise<Section[]> {
  const sections: Promise<Section>[] = [];
  let names: string[] = [];
  let texts: string[] = [];
  let length = 0;
  let digest = Buffer.alloc(32);
  const finish = () => {
    if (names.length === 0) return;
    const section = { names, digest };
    sections.push(gzipSegment(texts.join(',')).then((segment) => ({ ...section, segment })));
    [names, texts, length, digest] = [[], [], 0, Buffer.alloc(32)];
  };
  for await (const product of products) {
    const text = renderProduct(product);
    names.push(product.name);
    texts.push(text);
    combine(digest, hash('sha256', text, 'buffer'));
    length += text.length;
    if (length >= pieceLength) finish();
  }
  finish();
  return await Promise.all(sections);
}
