/** Names of hashes in the header `Hash:` by their number (RFC 9580, section 9.5). */
export const hashNames: ReadonlyMap<number, string> = new Map([
  [8, 'SHA256'],
  [9, 'SHA384'],
  [10, 'SHA512'],
]);

const begin = '-----BEGIN PGP SIGNED MESSAGE-----';
const beginSignature = '-----BEGIN PGP SIGNATURE-----';

/**
 * Puts a text and its signature together (RFC 9580, section 7). Readers of simplestreams take exactly one header.
 * @param text lines without blanks at their ends, which end with LF; the last end of line is not part of what is signed
 * @param signature of the text, armored
 */
export function clearSigned(text: string, signature: { armored: string; hash: string }): string {
  const body = text.replaceAll(/^-/gm, '- -');
  const end = body.endsWith('\n') ? '' : '\n';
  return `${begin}\nHash: ${signature.hash}\n\n${body}${end}${signature.armored.trim()}\n`;
}

/**
 * Takes a clear-signed text apart.
 * @returns undefined if the message is not clear-signed, or has other headers than one `Hash:`
 */
export function splitClearSigned(message: string): { text: string; armored: string } | undefined {
  const lines = message.replaceAll('\r\n', '\n');
  const head = new RegExp(`^${begin}\\nHash: [A-Z0-9]+\\n\\n`).exec(lines)?.[0];
  const end = lines.lastIndexOf(`\n${beginSignature}\n`);
  if (head === undefined || end < head.length - 1) return undefined;
  const text = lines.slice(head.length, end + 1).replaceAll(/^- /gm, '');
  return { text, armored: lines.slice(end + 1) };
}

/** The bytes that a signature of a text covers: its lines with CRLF between them, and none at the end. */
export function signedPart(text: string): string {
  return text.replace(/\n$/, '').replaceAll('\n', '\r\n');
}
