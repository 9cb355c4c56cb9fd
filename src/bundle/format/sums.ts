// SHA256SUMS, as sha256sum writes and checks it (coreutils).

/** Lines for `sha256sum -c`. @param sums digests in hexadecimal, by file name */
export function renderSums(sums: ReadonlyMap<string, string>): string {
  return [...sums].map(([name, sum]) => `${sum}  ${name}\n`).join('');
}

/** The digests by file name. Lines of any other form are ignored. */
export function parseSums(text: string): Map<string, string> {
  const lines = text.split('\n').map((line) => /^([0-9a-f]{64}) [ *]([A-Za-z0-9._-]+)$/.exec(line));
  return new Map(lines.flatMap((line) => (line === null ? [] : [[line[2] ?? '', line[1] ?? '']])));
}
