import { HeadwaterError } from '../../errors.ts';
import { type Digest, parseDigest } from '../../model/digest.ts';

/** The name of the file in which builders list digests. */
export const checksumsName = 'SHA256SUMS';

// `<hex>  name` (text) and `<hex> *name` (binary) are what sha256sum writes, `<hex> name` what some builders do;
// the leading backslash is how sha256sum marks a name with escapes in it.
const line = /^(\\?)([0-9A-Fa-f]{64}) [ *]?(.*\S)$/;

/**
 * Reads SHA256SUMS: the digest of each file beside it, by name (`./name` is `name`). Files of other directories are
 * skipped. @param source the name of the file in messages
 * @throws HeadwaterError `invalid`, naming file and line
 */
export function parseChecksums(text: string, source: string): Map<string, Digest> {
  const digests = new Map<string, Digest>();
  for (const [index, content] of text.split('\n').entries()) {
    if (content.trim() === '') continue;
    const where = `${source}: line ${index + 1}`;
    const [, escaped, hex, written] = line.exec(content.trimEnd()) ?? [];
    if (hex === undefined || written === undefined) {
      throw new HeadwaterError(
        'invalid',
        `${where}: expected 64 hexadecimal digits, a space and a file name`,
      );
    }
    const name = (escaped === '' ? written : withoutEscapes(written)).trimStart().replace(/^(?:\.\/+)+/, '');
    if (name === '' || name.includes('/')) continue;
    const digest = parseDigest(hex);
    if ((digests.get(name) ?? digest) !== digest) {
      throw new HeadwaterError('invalid', `${where}: a second, different digest for ${name}`);
    }
    digests.set(name, digest);
  }
  return digests;
}

/** Undoes the escapes of sha256sum: `\n`, `\r` and `\\`. */
function withoutEscapes(name: string): string {
  return name.replace(/\\([nr\\])/g, (_, letter: string) => ({ n: '\n', r: '\r' })[letter] ?? '\\');
}
