import { ExpiringMap } from '../../async/expiring-map.ts';
import type { GeneratedFiles, LxcVersion } from '../../catalog/generated/generated-files.ts';
import { compareText } from '../../model/compare.ts';
import { productName } from '../../model/names.ts';
import { assemble, type Document, gzipSegment } from '../../simplestreams/write/gzip-segment.ts';
import { imagePath } from '../../simplestreams/write/paths.ts';

/** The lifetime of cached indexes and their signatures in milliseconds, and their number. */
const keptFor = 3_600_000;
const keptIndexes = 100;

/** The documents, as far as the index follows them. */
interface Followed {
  /** The catalog's revision that they show. */
  readonly revision: number;
  /** The names of the existing streams. */
  readonly streams: readonly string[];
}

/**
 * The index that the template "download" of LXC reads: a line for each product, with its newest version. All public streams
 * are in one index, because the template knows no streams.
 */
export class LxcIndex {
  readonly #files: GeneratedFiles;
  readonly #documents: Followed;
  /** Of one revision: the versions of each stream, and the indexes by the names of their streams. */
  #revision = -1;
  #versions = new Map<string, Promise<LxcVersion[]>>();
  #indexes = new Map<string, Promise<Document>>();
  /** By their text. */
  readonly #documentsByText = new ExpiringMap<string, Promise<Document>>(keptFor, {
    maxEntries: keptIndexes,
  });

  constructor(files: GeneratedFiles, documents: Followed) {
    this.#files = files;
    this.#documents = documents;
  }

  /** The index of the streams that a client may see. */
  async of(visible: (stream: string) => boolean): Promise<Document> {
    const { revision, streams } = this.#documents;
    if (revision !== this.#revision) {
      this.#revision = revision;
      this.#versions = new Map();
      this.#indexes = new Map();
    }
    const names = streams.filter(visible).sort();
    const key = names.join();
    const known = this.#indexes.get(key);
    if (known !== undefined) return await known;
    const index = this.#make(names, this.#versions);
    const indexes = this.#indexes;
    indexes.set(key, index);
    index.catch(() => indexes.delete(key));
    return await index;
  }

  async #make(names: readonly string[], known: Map<string, Promise<LxcVersion[]>>): Promise<Document> {
    const versions = await Promise.all(
      names.map(async (name) => {
        const reading = known.get(name) ?? this.#files.lxcVersions(name);
        known.set(name, reading);
        reading.catch(() => known.delete(name));
        return await reading;
      }),
    );
    return await this.#document(renderLxcIndex(versions.flat()));
  }

  /** The same text always gives the same object, because signatures are looked up by object. */
  #document(text: string): Promise<Document> {
    const known = this.#documentsByText.get(text);
    if (known !== undefined) return known;
    const made = gzipSegment(text).then((segment) => assemble([segment], 'text/plain; charset=us-ascii'));
    this.#documentsByText.set(text, made);
    return made;
  }
}

/** The lines of an index. Of a product that several streams have, the newest version is listed: the first line counts. */
function renderLxcIndex(versions: readonly LxcVersion[]): string {
  const newest = new Map<string, LxcVersion>();
  for (const version of versions) {
    const name = productName(version);
    const known = newest.get(name);
    if (known === undefined || known.serial < version.serial) newest.set(name, version);
  }
  return [...newest]
    .sort(([one], [other]) => compareText(one, other))
    .map(([, version]) => {
      const { os, release, architecture, variant, serial } = version;
      return `${[os, release, architecture, variant, serial, `/${imagePath(version, serial, '')}`].join(';')}\n`;
    })
    .join('');
}
