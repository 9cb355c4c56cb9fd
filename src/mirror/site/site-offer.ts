import type { Manifest, ManifestProduct, ManifestVersion } from '../../bundle/format/manifest-schema.ts';
import type { SiteMirror } from '../../config/sites/site-mirror-schema.ts';
import { HeadwaterError, messageOf } from '../../errors.ts';
import { parseArchitecture } from '../../model/architecture.ts';
import { defined } from '../../model/defined.ts';
import { parseDigest } from '../../model/digest.ts';
import { imageTypeOf, isUnified, publishedNames } from '../../model/item-types.ts';
import { impliedAliases, inStream, type ProductKey, productName } from '../../model/names.ts';
import { checkRequest } from '../../publish/checked-request.ts';
import {
  type OfferedProduct,
  type OfferedVersion,
  type Skipped,
  Skips,
} from '../../simplestreams/read/offered.ts';
import type { Totals } from '../../simplestreams/read/offered-document.ts';
import { Selection } from '../plan/selection.ts';
import type { JudgeProof } from './proof.ts';

/** What a site offers in the state of a bundle, and what of it is selected. */
export interface SiteOffer {
  /** By the streams of this site. */
  streams: Map<string, OfferedProduct[]>;
  totals: Totals;
  selected: Totals;
  skipped: Skipped[];
  warnings: string[];
}

/**
 * Reads the state of a bundle as what an upstream offers. Products and versions that make no sense here are skipped.
 * @param isProven refuses versions that are not proven as the definition demands
 */
export function readSiteOffer(
  manifest: Manifest,
  definition: Pick<SiteMirror, 'name' | 'streams' | 'select'>,
  isProven: JudgeProof,
): SiteOffer {
  const selection = new Selection(definition.select);
  const skips = new Skips();
  const offer: SiteOffer = {
    streams: new Map(),
    totals: { products: 0, versions: 0 },
    selected: { products: 0, versions: 0 },
    skipped: [],
    warnings: [],
  };
  const versionsOf = byProduct(manifest.versions);
  for (const product of manifest.products) {
    const versions = versionsOf.get(inStream(product.stream, product.name)) ?? [];
    offer.totals.products += 1;
    offer.totals.versions += versions.length;
    const stream = localStream(definition, product.stream);
    if (stream === undefined) continue;
    const read = readProduct(product, stream, skips);
    if (read === undefined) continue;
    const fields = { os: product.osTitle, release: product.releaseTitle };
    const around = { top: {}, name: product.name, product: fields, key: read.key };
    for (const version of versions) {
      const offered = readVersion(version, skips);
      if (offered === undefined) continue;
      const selected = selection.apply(around, {}, offered);
      if (selected === undefined) continue;
      const problem = isProven(product, version);
      if (problem === undefined) read.versions.push(selected);
      else skips.add(problem, `${product.name} ${version.serial}`);
    }
    if (read.versions.length === 0) continue;
    offer.selected.products += 1;
    offer.selected.versions += read.versions.length;
    offer.streams.set(stream, [...(offer.streams.get(stream) ?? []), read]);
  }
  offer.skipped = skips.list();
  offer.warnings.push(
    ...selection.unmatched().map((rule) => `${definition.name}: rule ${rule} of select matches nothing`),
  );
  return offer;
}

function byProduct(versions: readonly ManifestVersion[]): Map<string, ManifestVersion[]> {
  const found = new Map<string, ManifestVersion[]>();
  for (const version of versions) {
    const name = inStream(version.stream, version.product);
    const known = found.get(name);
    if (known === undefined) found.set(name, [version]);
    else known.push(version);
  }
  return found;
}

/** The name here of a stream of the other site; undefined for one that is not imported. */
export function localStream({ streams }: Pick<SiteMirror, 'streams'>, stream: string): string | undefined {
  const local = Object.hasOwn(streams, stream) ? streams[stream] : stream;
  return local === false ? undefined : local;
}

/** @returns the product without versions; undefined if its name or its details make no sense */
function readProduct(product: ManifestProduct, stream: string, skips: Skips): OfferedProduct | undefined {
  const { name, osTitle, releaseTitle, supportEol, requirements } = product;
  const [os = '', release = '', architecture = '', variant = ''] = name.split(':');
  try {
    const key: ProductKey = { os, release, architecture: parseArchitecture(architecture), variant };
    const implied = impliedAliases(key);
    const aliases = product.aliases.filter((alias) => !implied.includes(alias));
    const details = { osTitle, title: releaseTitle, ...defined({ eol: supportEol }), requirements, aliases };
    const checked = checkRequest({ files: [], ...key, ...details, stream });
    const known = defined({ os: checked.os, release: checked.release, variant: checked.variant });
    if (productName({ ...key, ...known }) !== name) {
      throw new HeadwaterError('invalid', 'is not written as names of products are');
    }
    return { name, key, details, versions: [] };
  } catch (error) {
    if (!(error instanceof HeadwaterError)) throw error;
    skips.add('the product is not understood', `${inStream(product.stream, name)}: ${messageOf(error)}`);
    return undefined;
  }
}

function readVersion({ stream, product, serial, upstreamName, label, items }: ManifestVersion, skips: Skips) {
  const offered: OfferedVersion = { name: upstreamName ?? serial, serial, label, roots: [], deltas: [] };
  for (const { type, file, digest, size, fingerprint, deltaBase } of items) {
    const [published] = publishedNames({ type, file });
    if (published === undefined) {
      skips.add(`a file of the type ${type} cannot be imported`, `${inStream(stream, product)} ${serial}`);
      return undefined;
    }
    const listed = { ftype: published.ftype, path: file, size, sha256: parseDigest(digest) };
    const image = imageTypeOf(type);
    if (image !== undefined) {
      const said = fingerprint === undefined ? {} : { fingerprint: parseDigest(fingerprint) };
      offered.roots.push({ ...listed, type: image, unified: isUnified(type), ...said });
    } else if (deltaBase !== undefined) {
      offered.deltas.push({ ...listed, base: deltaBase });
    } else {
      offered.metadata = listed;
    }
  }
  return offered;
}
