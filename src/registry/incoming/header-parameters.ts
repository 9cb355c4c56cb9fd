/**
 * The parameters of a header such as `form-data; name="metadata"; filename=f` (RFC 9110, section 5.6.6; RFC 2183), by
 * their names in lower case. A value may be quoted or not, blanks may surround the equals sign, and the first of two
 * parameters with the same name counts. Malformed parameters are skipped.
 */
export function headerParameters(header: string): Map<string, string> {
  const parameters = new Map<string, string>();
  const start = header.indexOf(';');
  if (start < 0) return parameters;
  const pattern =
    /;\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s";]*))\s*(?=;|$)|;[^;"]*(?:"(?:[^"\\]|\\.)*"[^;"]*)*/gsy;
  pattern.lastIndex = start;
  for (let match = pattern.exec(header); match !== null; match = pattern.exec(header)) {
    const [, name, quoted, token] = match;
    const value = quoted?.replaceAll(/\\(.)/gs, '$1') ?? token;
    const key = name?.toLowerCase();
    if (key !== undefined && value !== undefined && !parameters.has(key)) parameters.set(key, value);
  }
  return parameters;
}

/** The value of a header without its parameters, in lower case: the media type of a Content-Type. */
export function headerValue(header: string): string {
  return (header.split(';', 1)[0] ?? '').trim().toLowerCase();
}
