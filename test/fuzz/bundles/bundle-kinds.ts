import { isDeepStrictEqual } from 'node:util';
import { contentOf, sizeOfVolumes } from '../../../src/bundle/format/content.ts';
import { maxManifestSize, parseManifest, renderManifest } from '../../../src/bundle/format/manifest.ts';
import { PassingBlobs } from '../../../src/bundle/format/passing-blobs.ts';
import { readVolume } from '../../../src/bundle/format/read-volume.ts';
import { encodeHeader, spaceOf } from '../../../src/bundle/format/tar-header.ts';
import { packManifest } from '../../../src/bundle/format/volume-bytes.ts';
import { maxReceiptSize, parseReceipt } from '../../../src/bundle/receipt/receipt.ts';
import { isWhole, verifyStream } from '../../../src/bundle/verify/verify.ts';
import { withoutSignature } from '../../../src/keys/verifier.ts';
import { mutate, pick } from '../mutate.ts';
import type { BundleCorpus, FuzzBundle } from './bundle-corpus.ts';
import { mutateJson } from './mutate-json.ts';

/**
 * Makes a mutant of something that travels, and has it read.
 * @returns whether it was accepted
 * @throws HeadwaterError if it was refused; {@link Difference} if something else than what was signed was accepted
 */
export type BundleKind = (corpus: BundleCorpus, random: () => number) => Promise<boolean>;

/** A mutant was accepted that differs from what was signed. */
class Difference extends Error {}

/**
 * - `manifest`: the manifest of a bundle, with a good signature and without.
 * - `volume`: a volume, which is compared with the manifest.
 * - `stream`: a bundle as a stream.
 * - `unsigned`: a stream with another manifest, as a hostile site could sign it.
 * - `document`: a clear-signed document of simplestreams, or one with a signature beside it.
 * - `receipt`: the receipt of a site, with a good signature and without.
 */
export const bundleKinds: Record<string, BundleKind> = {
  manifest: fuzzManifest,
  volume: fuzzVolume,
  stream: fuzzStream,
  unsigned: fuzzUnsigned,
  document: fuzzDocument,
  receipt: fuzzReceipt,
};

async function fuzzManifest({ small, verifier }: BundleCorpus, random: () => number): Promise<boolean> {
  const share = random();
  const bytes =
    share < 0.3 ? mutate(small.bytes, random) : Buffer.from(mutateJson(small.bytes.toString(), random));
  if (share > 0.9) {
    const signature = random() < 0.5 ? small.head.signature : mutate(small.head.signature, random);
    await verifier.detached(bytes, signature, 'm');
    if (!bytes.equals(small.bytes)) throw new Difference('another manifest has a good signature');
  }
  const manifest = parseManifest(bytes, 'm');
  const again = parseManifest(renderManifest(manifest), 'm');
  if (!isDeepStrictEqual(again, manifest)) throw new Difference('it is another one when it is read again');
  const head = { manifest: packManifest(bytes), signature: small.head.signature };
  const sizes = sizeOfVolumes(manifest, head);
  if (!sizes.every(Number.isSafeInteger)) throw new Difference('a volume without a size');
  for (let volume = 1; volume <= sizes.length; volume++) {
    const { members, mtime } = contentOf(manifest, head, volume);
    for (const member of members) encodeHeader(member, mtime);
  }
  return true;
}

async function fuzzVolume({ small, cut }: BundleCorpus, random: () => number): Promise<boolean> {
  const bundle = random() < 0.95 ? small : cut;
  const number = Math.floor(random() * bundle.volumes.length);
  const mutant = mutate(bundle.volumes[number] ?? Buffer.alloc(0), random);
  const { manifest, bytes, head } = bundle;
  const expected = { manifest: bytes, signature: Buffer.from(head.signature) };
  const passing = new PassingBlobs();
  let problems = 0;
  for (const [at, volume] of bundle.volumes.entries()) {
    const source = chunksOf(at === number ? mutant : volume, random);
    const found = await readVolume(source, { ...contentOf(manifest, head, at + 1), ...expected }, passing);
    problems += found.problems.length;
  }
  const isAccepted = problems === 0 && manifest.carried.every((blob) => passing.isGood(blob));
  if (isAccepted) assertSameBlobs(bundle.volumes[number] ?? Buffer.alloc(0), mutant, bundle);
  return isAccepted;
}

async function fuzzStream({ small, cut, verifier }: BundleCorpus, random: () => number): Promise<boolean> {
  const bundle = random() < 0.95 ? small : cut;
  const mutant = mutate(bundle.stream, random);
  const report = await verifyStream(chunksOf(mutant, random), 's', async (bytes, signature, where) => {
    await verifier.detached(bytes, signature, where);
    return 'S';
  });
  if (!report.bundle.manifest.equals(bundle.bytes)) throw new Difference('another manifest was accepted');
  if (!isWhole(report)) return false;
  assertSameBlobs(bundle.stream, mutant, bundle);
  return true;
}

async function fuzzUnsigned({ small }: BundleCorpus, random: () => number): Promise<boolean> {
  const bytes = Buffer.from(mutateJson(small.bytes.toString(), random));
  const packed = packManifest(bytes);
  const mtime = Math.floor(Date.parse(small.manifest.created) / 1000);
  const pad = Buffer.alloc((512 - (packed.length % 512)) % 512);
  const header = encodeHeader({ name: 'bundle.json.gz', size: packed.length }, mtime);
  const rest = small.stream.subarray(spaceOf({ size: small.head.manifest.length }));
  const stream = Buffer.concat([header, packed, pad, rest]);
  const mutant = random() < 0.7 ? stream : mutate(stream, random);
  const report = await verifyStream(chunksOf(mutant, random), 's', async () => undefined);
  return isWhole(report);
}

async function fuzzDocument({ document, verifier }: BundleCorpus, random: () => number): Promise<boolean> {
  const mutant = mutateSigned(document.signed, random);
  withoutSignature(mutant.toString());
  const { text } = await verifier.clearSigned(mutant, 'd');
  if (plain(text) !== plain(document.text)) throw new Difference('another text has a good signature');
  return true;
}

async function fuzzReceipt({ receipt, verifier }: BundleCorpus, random: () => number): Promise<boolean> {
  if (random() < 0.5) {
    const mutant = mutateSigned(receipt.signed, random);
    const { text } = await verifier.clearSigned(mutant, 'r');
    const isSame = isDeepStrictEqual(parseReceipt(text, 'r'), parseReceipt(receipt.text, 'r'));
    if (!isSame) throw new Difference('another receipt has a good signature');
    return true;
  }
  const text =
    random() < 0.3 ? mutate(Buffer.from(receipt.text), random).toString() : mutateJson(receipt.text, random);
  if (text.length > maxReceiptSize || text.length > maxManifestSize) return false;
  const { last, held, missing } = parseReceipt(text, 'r');
  if (last === null && held.length + missing.length > 0) throw new Difference('digests without a bundle');
  return true;
}

/** A clear-signed text with changes of its bytes or of its form (RFC 9580, section 7). */
function mutateSigned(signed: string, random: () => number): Buffer {
  if (random() < 0.5) return mutate(Buffer.from(signed), random);
  const lines = signed.split('\n');
  for (let left = 1 + Math.floor(random() * 3); left > 0; left -= 1) {
    const at = Math.floor(random() * lines.length);
    const line = pick(
      [
        ...['', ' ', '\t', '- ', '-', '--', '- - ', 'Hash: SHA512', 'Hash: MD5', 'Hash: SHA256,SHA512'],
        ...['Comment: a', '-----BEGIN PGP SIGNED MESSAGE-----', '-----BEGIN PGP SIGNATURE-----'],
        ...['-----END PGP SIGNATURE-----', '=AAAA', ' "format": "products:1.0",', '\u2028', '\r', '\0'],
        lines[Math.floor(random() * lines.length)] ?? '',
      ],
      random,
    );
    const kind = Math.floor(random() * 4);
    if (kind === 0) lines.splice(at, 0, line);
    else if (kind === 1) lines.splice(at, 1);
    else if (kind === 2) lines[at] = (lines[at] ?? '') + line;
    else lines[at] = line + (lines[at] ?? '');
  }
  return Buffer.from(lines.join('\n'));
}

/** What a signature covers of a text: neither the ends of its lines nor blanks before them. */
function plain(text: string): string {
  return text.replaceAll(/[ \t\r]+$/gm, '').replace(/\n+$/, '');
}

/** The manifest may be compressed, and its signature armored, in another way. All that follows is the same. */
function assertSameBlobs(original: Buffer, mutant: Buffer, bundle: FuzzBundle): void {
  const rest = original.subarray(lengthOfHead(bundle));
  if (!mutant.subarray(-rest.length).equals(rest)) throw new Difference('other bytes were accepted');
}

/** The bytes of the manifest and its signature in a volume. */
function lengthOfHead({ head }: FuzzBundle): number {
  return spaceOf({ size: head.manifest.length }) + spaceOf({ size: head.signature.length });
}

async function* chunksOf(bytes: Buffer, random: () => number): AsyncGenerator<Uint8Array> {
  const size = bytes.length > 100_000 ? 65_536 : 1 + Math.floor(random() * 5000);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
