import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { MirrorDefinition } from '../../config/mirror-schema.ts';
import { type AnyDefinition, isSite } from '../../config/sites/any-definition.ts';
import { HeadwaterError, messageOf } from '../../errors.ts';
import { fileError } from '../../files/file-error.ts';
import { Verifier } from '../../keys/verifier.ts';

/**
 * Reads the certificate authorities that a mirror's definition names, as PEM.
 * @throws HeadwaterError `invalid`, naming the definition and the file, when it cannot be read or has no certificates
 */
export async function readAuthorities(
  definition: Pick<MirrorDefinition, 'file'>,
  ca: string,
): Promise<string> {
  let text: string;
  try {
    text = await readFile(ca, 'utf8');
  } catch (error) {
    const { message } = fileError(error, { path: ca, doing: 'read', isInput: true });
    throw wrong(definition, `ca: ${message}`, error);
  }
  const certificates = text.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  if (certificates.length === 0) throw wrong(definition, `ca: ${ca} has no certificates in PEM`);
  for (const [index, certificate] of certificates.entries()) {
    try {
      new X509Certificate(certificate);
    } catch (error) {
      throw wrong(definition, `ca: ${ca}: certificate ${index + 1} is not valid: ${messageOf(error)}`, error);
    }
  }
  return text;
}

/**
 * Opens the keyrings and the authorities of a definition, as a run does.
 * @returns a line for each problem
 */
export async function problemsOfNamedFiles(definition: AnyDefinition): Promise<string[]> {
  const { keyring, file } = definition;
  const ca = isSite(definition) ? undefined : definition.ca;
  const proofs = isSite(definition) ? Object.values(definition.upstreams) : [];
  const keyrings = [keyring, ...proofs.map((proof) => ('keyring' in proof ? proof.keyring : undefined))];
  const attempts = [
    ...keyrings
      .filter((path) => path !== undefined)
      .map((path) =>
        Verifier.open(path).catch((error: unknown) => {
          throw wrong({ file }, messageOf(error), error);
        }),
      ),
    ...(ca === undefined ? [] : [readAuthorities(definition, ca)]),
  ];
  const outcomes = await Promise.allSettled<unknown>(attempts);
  return outcomes.flatMap((outcome) => {
    if (outcome.status === 'fulfilled') return [];
    if (outcome.reason instanceof HeadwaterError) return [outcome.reason.message];
    throw outcome.reason;
  });
}

function wrong({ file }: Pick<MirrorDefinition, 'file'>, problem: string, cause?: unknown): HeadwaterError {
  return new HeadwaterError('invalid', `${file}: ${problem}`, { cause });
}
