/** The largest length of a line, in bytes: gpgv cannot verify lines of about 20,000 bytes. */
export const longestLine = 10_000;

/** A document in the form that is clear-signed. */
export interface SignedForm {
  text: string;
  /** Products whose aliases do not all fit in a line. */
  shortened: string[];
  /** Products that are left out, because another field does not fit in a line. */
  omitted: string[];
}

/**
 * The form of a document that is clear-signed: the same JSON, indented, in ASCII, without long lines. The simplestreams tools
 * split text at every line separator of Unicode; ASCII has none but the end of the line.
 * @param json the document as it is served
 */
export function signedForm(json: Uint8Array): SignedForm {
  const document: unknown = JSON.parse(Buffer.from(json.buffer, json.byteOffset, json.length).toString());
  const text = write(document);
  const form: SignedForm = { text, shortened: [], omitted: [] };
  if (!hasLongLine(text)) return form;
  const products = isRecord(document) && isRecord(document['products']) ? document['products'] : {};
  for (const [name, product] of Object.entries(products)) {
    if (!hasLongLine(write(product))) continue;
    if (isRecord(product) && typeof product['aliases'] === 'string') {
      const fitting = fittingNames(product['aliases']);
      if (fitting !== product['aliases']) form.shortened.push(name);
      product['aliases'] = fitting;
    }
    if (!hasLongLine(write(product))) continue;
    delete products[name];
    form.omitted.push(name);
  }
  form.text = write(document);
  return form;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

/** The first names of a list, as many as fit in a line. */
function fittingNames(list: string): string {
  const maxLength = longestLine - 100;
  if (list.length <= maxLength) return list;
  return list.slice(0, Math.max(0, list.lastIndexOf(',', maxLength)));
}

function write(value: unknown): string {
  return `${JSON.stringify(value, undefined, 1)}\n`.replaceAll(/[\u007f-\uffff]/g, unicodeEscape);
}

/** Characters beyond U+FFFF become two escapes, one for each surrogate (RFC 8259, section 7). */
function unicodeEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** Whether a line of an ASCII text is too long. The limit leaves room for indentation. */
function hasLongLine(text: string): boolean {
  for (let start = 0; start < text.length; ) {
    const end = text.indexOf('\n', start);
    if (end - start > longestLine - 10) return true;
    start = end + 1;
  }
  return false;
}
