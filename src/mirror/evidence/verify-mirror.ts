import type { KeptDocument } from '../../catalog/evidence/document-rows.ts';
import type { Provenance } from '../../catalog/evidence/evidence-rows.ts';
import { ownerOf } from '../../catalog/products/ownership.ts';
import type { MirrorDefinition } from '../../config/mirror-schema.ts';
import { HeadwaterError } from '../../errors.ts';
import { defined } from '../../model/defined.ts';
import { type Digest, parseDigest } from '../../model/digest.ts';
import type { Item, ProductWithVersions } from '../../model/versions.ts';
import type { MirrorServices } from '../mirror-services.ts';
import { OpenedDocument } from './opened-document.ts';
import { vouching } from './vouching.ts';

/**
 * What a check says about a version. `proven`: a document with a good signature lists exactly its files. `site`: the signature
 * of the site that sent it is the only proof. `unproven`: there is no proof. `damaged`: a file has other bytes, or the catalog
 * has other files than the document. `missing`: a file is not in the store.
 */
export type Verdict = 'proven' | 'site' | 'unproven' | 'damaged' | 'missing';

/** A checked version. */
export interface CheckedVersion {
  stream: string;
  product: string;
  serial: string;
  result: Verdict;
  /** Of a proven version: how the key or the signature has expired since the document was fetched. */
  expired?: string;
  /** Why it is not proven. */
  reasons: string[];
  /** Whether a file or its document is damaged or missing, so that fetching it again repairs the version. */
  isFetchable: boolean;
  /** Whether nothing was ever recorded for it: the next run of the mirror records what it finds. */
  isUnrecorded: boolean;
}

/** Looks a blob up in the store, and perhaps reads it (`ops/verify`). */
type CheckBlob = (digest: Digest) => Promise<{
  lost?: { state: 'missing' | 'damaged'; problem: string };
  fingerprints: readonly { product: string; serial: string; claimed: string; computed: string }[];
}>;

interface VerifyOptions {
  checkBlob: CheckBlob;
  /** Only these versions; all if omitted. */
  only?: (version: { product: string; serial: string }) => boolean;
  /** Called after each version. May throw to stop. */
  onChecked?: (version: CheckedVersion) => void;
}

/** A document that was opened, or why it cannot be. */
type Opened = OpenedDocument | { problem: string; isLost: boolean };

/**
 * Checks the versions of a mirror: their evidence, under the keyring of today, and their files. Reads no upstream and changes
 * nothing, unless `checkBlob` does. A run of the mirror may take place meanwhile.
 * @throws HeadwaterError the errors of the store and the catalog
 */
export async function verifyMirror(
  definition: Pick<MirrorDefinition, 'name' | 'keyring'>,
  { catalog, store }: Pick<MirrorServices, 'catalog' | 'store'>,
  options: VerifyOptions,
): Promise<CheckedVersion[]> {
  const owner = ownerOf(definition.name);
  const names = await catalog.versions.upstreamNames(owner);
  const evidence = new Map((await catalog.evidence.ofOwner(owner)).map((one) => [keyOf(one), one]));
  const documents = new Map<number, Promise<Opened>>();
  const blobs = new Map<string, ReturnType<CheckBlob>>();
  const checkBlob = (digest: string) => {
    const checking = blobs.get(digest) ?? options.checkBlob(parseDigest(digest));
    blobs.set(digest, checking);
    return checking;
  };
  const openOnce = async (document: KeptDocument): Promise<Opened> => {
    const held = (product: string) => names.get(product) ?? [];
    try {
      return await OpenedDocument.open(store, document, { keyring: definition.keyring, held });
    } catch (error) {
      if (!(error instanceof HeadwaterError)) throw error;
      const { lost } = await checkBlob(document.blob.digest);
      return { problem: error.message, isLost: lost !== undefined };
    }
  };
  const open = (document: KeptDocument) => {
    const opening = documents.get(document.id) ?? openOnce(document);
    documents.set(document.id, opening);
    return opening;
  };
  const checked: CheckedVersion[] = [];
  for await (const product of catalog.products.each({ owner })) {
    for (const { serial, items } of product.versions) {
      const version = { stream: product.stream, product: product.name, serial };
      if (options.only?.(version) === false) continue;
      const proof = await proofOf(product, items, evidence.get(keyOf(version)), open);
      const files = await checkFiles(version, items, checkBlob);
      const result = proof.result === 'damaged' ? proof.result : (files.result ?? proof.result);
      const one: CheckedVersion = {
        ...{ ...version, result, reasons: [...files.reasons, ...proof.reasons] },
        ...defined({ expired: result === 'proven' ? proof.expired : undefined }),
        isFetchable: files.result !== undefined || proof.isLost === true,
        isUnrecorded: evidence.get(keyOf(version))?.proof === undefined,
      };
      checked.push(one);
      options.onChecked?.(one);
    }
  }
  return checked;
}

/** Whether a digest is read today, of those of which a percentage is read each day: all are, in 100 / `percent` days. */
export function isReadToday(digest: string, percent: number, now: Date): boolean {
  const parts = Math.ceil(100 / percent);
  const day = Math.floor(now.getTime() / 86_400_000);
  return Number.parseInt(digest.slice(0, 8), 16) % parts === day % parts;
}

interface Proof extends Pick<CheckedVersion, 'result' | 'expired' | 'reasons'> {
  /** Whether the blob of its document is lost. */
  isLost?: boolean;
}

async function proofOf(
  { variant, name }: Pick<ProductWithVersions, 'variant' | 'name'>,
  items: readonly Item[],
  evidence: Provenance | undefined,
  open: (document: KeptDocument) => Promise<Opened>,
): Promise<Proof> {
  const unproven = (reason: string): Proof =>
    evidence?.bundle !== undefined && evidence.proof !== 'none'
      ? { result: 'site', reasons: [reason] }
      : { result: 'unproven', reasons: [reason] };
  if (evidence?.document === undefined) {
    return unproven(
      evidence?.proof === undefined
        ? 'no document was recorded for it yet'
        : 'no document of the upstream lists its files',
    );
  }
  const { serial, upstreamName, document } = evidence;
  const opened = await open(document);
  if ('problem' in opened) return { ...unproven(opened.problem), isLost: opened.isLost };
  const listed = opened.find({ product: name, variant, serial, ...defined({ upstreamName }) });
  if (listed === undefined) return { result: 'damaged', reasons: ['its document does not list it'] };
  const { result, reason = '' } = vouching(listed, items);
  if (result === 'other') return { result: 'damaged', reasons: [reason] };
  if (result === 'unclear') return unproven(reason);
  if (!opened.isSigned) return unproven('its document was accepted without a signature');
  return { result: 'proven', reasons: [], ...defined({ expired: opened.expired }) };
}

async function checkFiles(
  version: { product: string; serial: string },
  items: readonly Item[],
  checkBlob: (digest: string) => ReturnType<CheckBlob>,
): Promise<{ result?: 'missing' | 'damaged'; reasons: string[] }> {
  const reasons: string[] = [];
  const states = new Set<string>();
  for (const { file, digest } of items) {
    const { lost, fingerprints } = await checkBlob(digest);
    if (lost !== undefined) {
      states.add(lost.state);
      reasons.push(`${file}: ${lost.problem}`);
    }
    for (const { product, serial, claimed, computed } of fingerprints) {
      if (product !== version.product || serial !== version.serial) continue;
      states.add('damaged');
      reasons.push(`${file}: it is listed under the fingerprint ${claimed}, and its bytes have ${computed}`);
    }
  }
  if (states.size === 0) return { reasons };
  return { result: states.has('damaged') ? 'damaged' : 'missing', reasons };
}

function keyOf({ stream, product, serial }: { stream: string; product: string; serial: string }): string {
  return `${stream} ${product}@${serial}`;
}
