import { HeadwaterError } from '../../errors.ts';
import { defined } from '../../model/defined.ts';
import { type Digest, parseDigest } from '../../model/digest.ts';
import { type ItemType, typeOfFtype } from '../../model/item-types.ts';
import { mapping, text, type Untyped } from './fields.ts';
import { type ListedVersion, shown } from './products-document.ts';

/** A version in a document. */
export interface VersionContent {
  fields: Untyped;
  label?: string;
  items: ListedItem[];
}

/** An item as a document lists it, not read yet ({@link readFile}). */
export interface ListedItem {
  ftype: string;
  /** Absent for items that clients ignore. */
  type?: ItemType;
  fields: Untyped;
  /** Its name in messages. */
  where: string;
}

/** A file in a document, with its strongest digest. */
export interface ListedFile {
  ftype: string;
  path: string;
  /** Bytes. */
  size?: number;
  sha256?: Digest;
  /** In hexadecimal; only where there is no sha256. */
  sha512?: string;
  /** In hexadecimal; only where there is nothing better. */
  md5?: string;
}

/**
 * Reads what a document says of a version.
 * @param onSkip called for a label and for items that make no sense; may throw to refuse the version
 * @throws HeadwaterError `invalid` when it is no version
 */
export function readVersion(
  { value, where }: ListedVersion,
  onSkip: (error: HeadwaterError) => void,
): VersionContent {
  const attempt = <Result>(read: () => Result): Result | undefined => {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof HeadwaterError)) throw error;
      onSkip(error);
      return undefined;
    }
  };
  const fields = mapping(value, where);
  const label = attempt(() => text(fields, 'label', where));
  const items = Object.entries(mapping(fields['items'], `${where}.items`)).flatMap(([key, item]) => {
    const at = `${where}.items.${shown(key)}`;
    return attempt(() => readItem(item, at)) ?? [];
  });
  return { fields, ...defined({ label }), items };
}

function readItem(value: unknown, where: string): ListedItem {
  const fields = mapping(value, where);
  const ftype = text(fields, 'ftype', where) ?? '';
  return { ftype, ...defined({ type: typeOfFtype(ftype) }), fields, where };
}

/**
 * Reads the file of an item.
 * @param readPath checks a path, and gives it without what changes nothing
 * @throws HeadwaterError `invalid`
 */
export function readFile(
  { ftype, fields, where }: ListedItem,
  readPath: (path: string, where: string) => string,
): ListedFile {
  const { size, sha256, sha512, md5 } = fields;
  if (size !== undefined && !(Number.isSafeInteger(size) && Number(size) >= 0)) {
    throw new HeadwaterError('invalid', `${where}.size: expected a number of bytes`);
  }
  const path = readPath(text(fields, 'path', where) ?? '', `${where}.path`);
  const file = { ftype, path, ...(size === undefined ? {} : { size: Number(size) }) };
  if (isDigest(sha256)) return { ...file, sha256: parseDigest(sha256) };
  if (isHex(sha512, 128)) return { ...file, sha512: sha512.toLowerCase() };
  if (isHex(md5, 32)) return { ...file, md5: md5.toLowerCase() };
  return file;
}

/**
 * The fingerprint that a document announces for the image of a root.
 * @param metadata the fields of the metadata item
 * @param names of the fields that hold it, for the root's ftype
 */
export function announcedFingerprint(metadata: Untyped, names: readonly string[]): Digest | undefined {
  const announced = names.map((name) => metadata[name]).find(isDigest);
  return announced === undefined ? undefined : parseDigest(announced);
}

function isDigest(value: unknown): value is Digest {
  return isHex(value, 64);
}

function isHex(value: unknown, digits: number): value is string {
  return typeof value === 'string' && value.length === digits && /^[0-9a-f]+$/i.test(value);
}
