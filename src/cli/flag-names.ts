import type { HeadwaterError } from '../errors.ts';

/** The flags of fields of a request, where they have other names. */
const flags: Readonly<Record<string, string>> = {
  architecture: '--arch',
  aliases: '--alias',
  requirements: '--requirement',
};

/** The message of an error, which names flags instead of the fields of a request that it is about. */
export function messageInFlags({ message, fields = [] }: HeadwaterError): string {
  let changed = message;
  for (const field of fields) {
    // Not in quotes, not a part of a word, and not the name of a value, as in `os "a/b": use letters`.
    const name = new RegExp(`(?<![\\w"-])${field}(?![\\w"-]| ")`, 'g');
    changed = changed.replaceAll(name, flagOf(field));
  }
  const [first] = fields;
  return changed === message && first !== undefined ? `${flagOf(first)}: ${message}` : changed;
}

function flagOf(field: string): string {
  return flags[field] ?? `--${field}`;
}
