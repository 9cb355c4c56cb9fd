/** The most bytes of a line: gpgv refuses to verify lines of some 20,000 bytes. */
export const longestLine = 10_000;

/** A document in the form that is clear-signed. */
export interface SignedForm {
  text: string;
  /** Products of which not all aliases fit in a line. */
  shortened: string[];
  /** Products that are left out, because another field does not fit in a line. */
  omitted: string[];
}

/** The part of a products document that matters here. */
interface ProductsDocument {
  products?: Record<string, { aliases?: unknown }>;
}

/**
 * The form of a document that is clear-signed: the same JSON, indented, in ASCII, without long lines. Readers of
 * simplestreams split the text at every character that Unicode has for the end of a line, so none of these is in it.
 * @param json the document as it is served
 */
export function signedForm(json: Uint8Array): SignedForm {
  const document = JSON.parse(
    Buffer.from(json.buffer, json.byteOffset, json.length).toString(),
  ) as ProductsDocument;
  const text = write(document);
  const form: SignedForm = { text, shortened: [], omitted: [] };
  if (!hasLongLine(text)) return form;
  const { products = {} } = document;
  for (const [name, product] of Object.entries(products)) {
    if (!hasLongLine(write(product))) continue;
    if (typeof product.aliases === 'string') {
      const fitting = fittingNames(product.aliases);
      if (fitting !== product.aliases) form.shortened.push(name);
      product.aliases = fitting;
    }
    if (!hasLongLine(write(product))) continue;
    delete products[name];
    form.omitted.push(name);
  }
  form.text = write(document);
  return form;
}

/** Those names at the beginning of a list that fit in a line. */
function fittingNames(list: string): string {
  const maxLength = longestLine - 100;
  if (list.length <= maxLength) return list;
  return list.slice(0, Math.max(0, list.lastIndexOf(',', maxLength)));
}

function write(value: unknown): string {
  return `${JSON.stringify(value, undefined, 1)}\n`.replaceAll(/[\u007f-\uffff]/g, unicodeEscape);
}

/** The halves of a character beyond U+FFFF are escaped one by one, as JSON wants it (RFC 8259, section 7). */
function unicodeEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** Whether a line of an ASCII text is too long; some blanks may still be put before it. */
function hasLongLine(text: string): boolean {
  for (let start = 0; start < text.length; ) {
    const end = text.indexOf('\n', start);
    if (end - start > longestLine - 10) return true;
    start = end + 1;
  }
  return false;
}
