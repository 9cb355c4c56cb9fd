import { serialAfter } from '../../../src/model/names.ts';

/** A publish, as far as its outcome depends on it. */
interface Publication {
  os: string;
  stream: string;
  owner: string;
  serial: string;
  /** `shared` ones are the same under each serial. */
  files: string;
  isDerived: boolean;
  isStored: boolean;
  /** Aliases that must be free, and aliases that are left out if they are not. */
  aliases: string[];
  implied: string[];
}

interface ModelVersion {
  files: string;
  isShown: boolean;
}

/** What publishing means, without a database: one version after the other. */
export class PublishModel {
  readonly #products = new Map<string, { owner: string; versions: Map<string, ModelVersion> }>();
  /** The product of an alias, by alias and stream. */
  readonly #aliases = new Map<string, { name: string; stream: string; product: string }>();

  /** @returns the outcome, or that it is refused */
  publish(one: Publication): { outcome: string; serial?: string; withheld: string[] } | 'refused' {
    const key = `${one.stream} ${one.os}`;
    const product = this.#products.get(key) ?? { owner: one.owner, versions: new Map() };
    if (product.owner !== one.owner) return 'refused';
    const files = one.files === 'shared' ? one.files : `${one.serial} ${one.files}`;
    const serial = one.isDerived ? derivedSerial(product.versions, one.serial, files) : one.serial;
    const renamed = serial === one.serial ? {} : { serial };
    const existing = product.versions.get(serial);
    if (existing !== undefined && existing.files !== files) return 'refused';
    if (existing?.isShown === true) return { outcome: 'unchanged', ...renamed, withheld: [] };
    if (!one.isStored || one.aliases.some((name) => this.#isTaken(name, one, key))) return 'refused';
    const withheld = one.implied.filter((name) => this.#isTaken(name, one, key));
    for (const name of [...one.aliases, ...one.implied]) {
      if (withheld.includes(name)) continue;
      this.#aliases.set(`${one.stream} ${name}`, { name, stream: one.stream, product: key });
    }
    product.versions.set(serial, { files, isShown: true });
    this.#products.set(key, product);
    return { outcome: 'created', ...renamed, withheld };
  }

  removeAll(): void {
    for (const { versions } of this.#products.values())
      for (const version of versions.values()) version.isShown = false;
  }

  #isTaken(name: string, { stream, owner }: Publication, product: string): boolean {
    const own = this.#aliases.get(`${stream} ${name}`);
    if (own !== undefined) return own.product !== product;
    return [...this.#aliases.values()].some(
      (other) => other.name === name && this.#products.get(other.product)?.owner !== owner,
    );
  }
}

/** The serial of a version with the same files, shown ones first, or else the first free one. */
function derivedSerial(versions: Map<string, ModelVersion>, from: string, files: string): string {
  const alike = [...versions].filter(([, version]) => version.files === files);
  const latest = alike.sort(([one], [other]) => (one < other ? 1 : -1));
  const known = latest.find(([, { isShown }]) => isShown) ?? latest[0];
  if (known !== undefined) return known[0];
  let serial = from;
  while (versions.has(serial)) serial = serialAfter(serial);
  return serial;
}
