import { createHash } from 'node:crypto';
import { HeadwaterError, jsonProblem } from '../../errors.ts';
import { checkManifest } from './check-manifest.ts';
import { bundleFormat, type Manifest, manifestSchema } from './manifest-schema.ts';

/** Bytes of a manifest: about 100,000 versions. */
export const maxManifestSize = 64 * 1024 * 1024;

/** The bytes that are signed: UTF-8, indented by one space, so that a line is never too long for gpgv. */
export function renderManifest(manifest: Manifest): Buffer {
  return Buffer.from(`${JSON.stringify(manifest, null, 1)}\n`);
}

/** The identity of a bundle: the SHA-256 of its manifest. */
export function identityOf(manifest: Uint8Array): string {
  return createHash('sha256').update(manifest).digest('hex');
}

/** The directory of a bundle, and the beginning of the names of its volumes: `vault-7-0007`. */
export function bundleName({ to, sequence }: Pick<Manifest, 'to' | 'sequence'>): string {
  return `${to}-${String(sequence).padStart(4, '0')}`;
}

/** The file of a volume: `vault-7-0007.0001.tar`. */
export function volumeName(bundle: string, volume: number): string {
  return `${bundle}.${String(volume).padStart(4, '0')}.tar`;
}

/**
 * Reads a manifest whose signature was checked.
 * @param where the manifest in messages
 * @throws HeadwaterError `invalid`, naming the field; `unavailable` when only a newer Headwater can read it
 */
export function parseManifest(bytes: Uint8Array, where: string): Manifest {
  if (bytes.length > maxManifestSize) {
    throw new HeadwaterError('invalid', `${where}: has more than ${maxManifestSize / 2 ** 20} MiB`);
  }
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw new HeadwaterError('invalid', `${where}: is not JSON: ${jsonProblem(error)}`, { cause: error });
  }
  assertReadable(value, where);
  const result = manifestSchema.safeParse(value);
  if (!result.success) {
    const [issue] = result.error.issues;
    const field = issue === undefined ? '' : `${issue.path.join('.')}: ${issue.message}`;
    throw new HeadwaterError('invalid', `${where}: ${field}`);
  }
  checkManifest(result.data, where);
  return result.data;
}

/** A bundle of a later format, or with demands that this program does not know. */
function assertReadable(value: unknown, where: string): void {
  if (typeof value !== 'object' || value === null || !('format' in value)) {
    throw new HeadwaterError('invalid', `${where}: is not the manifest of a bundle`);
  }
  const { format } = value;
  if (typeof format === 'string' && /^headwater-bundle:\d+$/.test(format) && format !== bundleFormat) {
    throw new HeadwaterError(
      'unavailable',
      `${where}: has the format ${format}, and this Headwater reads ${bundleFormat}: install a newer version`,
    );
  }
  const requires = 'requires' in value && Array.isArray(value.requires) ? value.requires : [];
  const [unknown] = requires;
  if (unknown !== undefined) {
    throw new HeadwaterError(
      'unavailable',
      `${where}: requires ${JSON.stringify(unknown)}, which this Headwater does not know: install a newer version`,
    );
  }
}
