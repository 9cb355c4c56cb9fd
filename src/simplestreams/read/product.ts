import { HeadwaterError, messageOf } from '../../errors.ts';
import { parseArchitecture } from '../../model/architecture.ts';
import { defined } from '../../model/defined.ts';
import { impliedAliases, type ProductKey, parseAlias, parseNamePart } from '../../model/names.ts';
import { text, textMapping, type Untyped } from './fields.ts';

/** What simplestreams documents say of a product beside its name; each is left out where nothing is said. */
interface ProductDetails {
  /** The distribution's name as people write it (`os`). */
  osTitle?: string;
  /** `release_title` */
  title?: string;
  /** `support_eol`, as `YYYY-MM-DD`. */
  eol?: string;
  aliases?: string[];
  requirements?: Record<string, string>;
}

/** The details of a product, and warnings about omitted fields. */
export interface DocumentDetails {
  said: ProductDetails;
  warnings: string[];
}

/**
 * Reads the details of a product in a simplestreams document.
 * @param where the product in messages
 * @param options.lenient omit malformed fields with a warning, instead of throwing
 * @throws HeadwaterError `invalid` for a field of another type than clients parse
 */
export function readDetails(
  fields: Untyped,
  key: ProductKey,
  where: string,
  { lenient = false }: { lenient?: boolean } = {},
): DocumentDetails {
  const warnings: string[] = [];
  const readable = <Value>(read: () => Value): Value | undefined => {
    try {
      return read();
    } catch (error) {
      if (!lenient || !(error instanceof HeadwaterError)) throw error;
      warnings.push(`${error.message}; it was left out`);
      return undefined;
    }
  };
  const osTitle = readable(() => text(fields, 'os', where));
  const title = readable(() => text(fields, 'release_title', where));
  const eol = readable(() => text(fields, 'support_eol', where));
  const dated = eol === undefined || isDate(eol);
  if (!dated) warnings.push(`${where}.support_eol: ${JSON.stringify(eol)} is not a date and was left out`);
  const aliases = readAliases(readable(() => text(fields, 'aliases', where)) ?? '', key, where, warnings);
  // Older LXD reads only `lxd_requirements`, newer LXD prefers it, Incus reads only `requirements`.
  const requirements = new Map(
    ['requirements', 'lxd_requirements'].flatMap((field) => [
      ...(readable(() => textMapping(fields[field], `${where}.${field}`)) ?? []),
    ]),
  );
  return {
    said: {
      ...defined({ osTitle, title }),
      ...(eol === undefined || !dated ? {} : { eol }),
      ...(aliases.length === 0 ? {} : { aliases }),
      ...(requirements.size === 0 ? {} : { requirements: Object.fromEntries(requirements) }),
    },
    warnings,
  };
}

/** Options for reading the key of a product. */
export interface KeyOptions {
  /** Given to products that have none; `default` when left out. */
  variant?: string;
  /**
   * Take the os from the product's name where its field is text for people (`Ubuntu Core`). Otherwise the words of the field
   * are joined: mirrors have named products so, and must not rename them.
   */
  osFromName?: boolean;
}

/**
 * Reads which product a simplestreams document means. Its fields say so; where they do not, the product's name counts if it
 * is made of the same parts as ours.
 * @throws HeadwaterError `invalid`, naming the field
 */
export function readProductKey(
  name: string,
  fields: Untyped,
  where: string,
  { variant: otherwise = 'default', osFromName = false }: KeyOptions = {},
): ProductKey {
  const parts = name.split(':');
  const release = text(fields, 'release', where) ?? '';
  const architecture = text(fields, 'arch', where) ?? '';
  const isOurs = parts.length === 4 && parts[1] === release && parts[2] === architecture;
  const [nameOs, , , nameVariant] = isOurs ? parts : [];
  const os = text(fields, 'distro', where) ?? text(fields, 'os', where) ?? nameOs ?? '';
  const variant = text(fields, 'variant', where) ?? nameVariant ?? otherwise;
  try {
    return {
      os: parseNamePart('os', osFromName && isText(os) ? (nameOs ?? joined(os)) : joined(os)),
      release: parseNamePart('release', joined(release)),
      architecture: parseArchitecture(architecture),
      variant: parseNamePart('variant', joined(variant)),
    };
  } catch (error) {
    throw new HeadwaterError('invalid', `${where}: ${messageOf(error)}`, { cause: error });
  }
}

/** Whether it is a text for people: names have no blanks. */
function isText(os: string): boolean {
  return os.includes(' ');
}

function joined(words: string): string {
  return words.trim().replaceAll(/ +/g, '-');
}

/** The aliases beside those that every product has anyway. Clients split them at commas. */
function readAliases(commaList: string, key: ProductKey, where: string, warnings: string[]): string[] {
  const own = impliedAliases(key);
  const aliases = new Set<string>();
  for (const alias of commaList.split(',').map((part) => part.trim())) {
    if (alias === '' || own.includes(alias)) continue;
    try {
      aliases.add(parseAlias(alias));
    } catch (error) {
      warnings.push(`${where}.aliases: ${messageOf(error)}; it was left out`);
    }
  }
  return [...aliases];
}

function isDate(day: string): boolean {
  return /^\d{4}-\d{2}-\d{2}$/.test(day) && !Number.isNaN(Date.parse(`${day}T00:00:00Z`));
}
