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

/** What was read of a product, and what was left out. */
export interface DocumentDetails {
  said: ProductDetails;
  warnings: string[];
}

/**
 * Reads what a simplestreams document says of a product beside its name.
 * @param where the product in messages
 * @param options.lenient leave out what is wrong, and warn of it, instead of throwing
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
  if (!dated) warnings.push(`${where}.support_eol: ${JSON.stringify(eol)} is no date and was left out`);
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

/**
 * Reads which product a simplestreams document means. Its fields say so; `os` may be a name for people to read
 * (`Ubuntu Core`), and some tools write no variant: then the product's name says it, where it has four parts.
 * @throws HeadwaterError `invalid`, naming the field
 */
export function readProductKey(name: string, fields: Untyped, where: string): ProductKey {
  const parts = name.split(':');
  const fromName = parts.length === 4 ? { os: parts[0], variant: parts[3] } : {};
  const os = text(fields, 'distro', where) ?? text(fields, 'os', where);
  const variant = text(fields, 'variant', where) ?? fromName.variant ?? 'default';
  try {
    return {
      os: parseOs(os, fromName.os),
      release: parseNamePart('release', text(fields, 'release', where) ?? ''),
      architecture: parseArchitecture(text(fields, 'arch', where) ?? ''),
      variant: parseNamePart('variant', variant),
    };
  } catch (error) {
    if (messageOf(error).startsWith(where)) throw error;
    throw new HeadwaterError('invalid', `${where}: ${messageOf(error)}`, { cause: error });
  }
}

function parseOs(said: string | undefined, fromName: string | undefined): string {
  try {
    return parseNamePart('os', said ?? fromName ?? '');
  } catch (error) {
    if (fromName === undefined) throw error;
    return parseNamePart('os', fromName);
  }
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
