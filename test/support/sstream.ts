import { gpgvBytes } from './signing.ts';

// The rules by which the programs of simplestreams (sstream-query, sstream-mirror, MAAS) read signed documents:
// `read_signed` of simplestreams/util.py, and the walk from the index to the products documents.

const begin = '-----BEGIN PGP SIGNED MESSAGE-----';
const beginSignature = '-----BEGIN PGP SIGNATURE-----';
const endSignature = '-----END PGP SIGNATURE-----';

/** Python's str.splitlines(): more characters end a line than LF and CR. */
const lineEnds = /\r\n|[\n\r\v\f\x1c-\x1e\u0085\u2028\u2029]/;

/**
 * The text of a signed document.
 * @throws Error where these programs would refuse it
 */
export async function readSigned(content: Buffer, keyring: string): Promise<string> {
  const text = content.toString('utf8');
  if (!text.startsWith(begin)) throw new Error('No signature found!');
  const { code, stderr } = await gpgvBytes(keyring, content);
  if (code !== 0) throw new Error(`gpgv failed: ${stderr}`);
  const body: string[] = [];
  let mode = '';
  for (const line of text.split(lineEnds)) {
    if (line === begin) mode = 'header';
    else if (mode === 'header') {
      // The first line that is not empty is taken for the header.
      if (line !== '') mode = 'gap';
    } else if (line === beginSignature) mode = 'signature';
    else if (line === endSignature) mode = 'garbage';
    else if (mode === 'gap') {
      mode = 'body';
      if (line !== '') throw new Error(`a second header: ${line}`);
    } else if (mode === 'body') body.push(line.startsWith('- ') ? line.slice(2) : line);
  }
  return `${body.join('\n')}\n`;
}

interface Tree {
  products: Record<string, { versions: Record<string, { items: Record<string, Item> }> }>;
}

interface Item {
  path: string;
  sha256: string;
  size: number;
  ftype: string;
}

/**
 * Reads all products from the index, as `sstream-mirror --keyring` does.
 * @param fetch gives the bytes of a path
 * @returns the items by `product version item`
 */
export async function mirrorSigned(
  fetch: (path: string) => Promise<Buffer>,
  keyring: string,
): Promise<Map<string, Item>> {
  const items = new Map<string, Item>();
  const index = JSON.parse(await readSigned(await fetch('streams/v1/index.sjson'), keyring)) as {
    format: string;
    index: Record<string, { path: string; format: string; products: string[] }>;
  };
  if (index.format !== 'index:1.0') throw new Error(`format ${index.format}`);
  for (const [contentId, entry] of Object.entries(index.index)) {
    if (!entry.path.endsWith('.sjson')) throw new Error(`${entry.path} is not signed`);
    const tree = JSON.parse(await readSigned(await fetch(entry.path), keyring)) as Tree & {
      format: string;
      content_id: string;
    };
    if (tree.format !== 'products:1.0') throw new Error(`format ${tree.format}`);
    if (tree.content_id !== contentId) throw new Error(`content_id ${tree.content_id} in ${contentId}`);
    for (const name of entry.products) if (!(name in tree.products)) throw new Error(`no product ${name}`);
    for (const [product, { versions }] of Object.entries(tree.products)) {
      for (const [serial, version] of Object.entries(versions)) {
        for (const [name, item] of Object.entries(version.items)) {
          if (!/^[0-9a-f]{64}$/.test(item.sha256)) throw new Error(`${item.path}: sha256`);
          if (!Number.isSafeInteger(item.size)) throw new Error(`${item.path}: size`);
          items.set(`${product} ${serial} ${name}`, item);
        }
      }
    }
  }
  return items;
}
