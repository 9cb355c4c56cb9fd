import type { HeadwaterError } from '../errors.ts';

/** The flags of the fields of requests: to publish or withdraw a version, to create a token or a bundle. A field without a flag is not in it. */
const flags: Readonly<Record<string, string>> = {
  os: '--os',
  release: '--release',
  architecture: '--arch',
  variant: '--variant',
  serial: '--serial',
  stream: '--stream',
  createStream: '--create-stream',
  title: '--title',
  label: '--label',
  eol: '--eol',
  aliases: '--alias',
  requirements: '--requirement',
  actions: '--allow',
  role: '--role',
  streams: '--stream',
  names: '--name-pattern',
  expiresAt: '--expires',
  withdraw: '--withdraw',
  maxSize: '--max-size',
};

/** The message of an error, which names flags instead of the fields of a request that it is about. */
export function messageInFlags({ message, fields = [] }: HeadwaterError): string {
  let changed = message;
  const named = fields.flatMap((field) => {
    const flag = Object.hasOwn(flags, field) ? flags[field] : undefined;
    return flag === undefined ? [] : [{ field, flag }];
  });
  for (const { field, flag } of named) {
    // Not in quotes, not a part of a word, and not the name of a value, as in `os "a/b": use letters`.
    const name = new RegExp(`(?<![\\w"-])${field}(?![\\w"-]| ")`, 'g');
    changed = changed.replaceAll(name, flag);
  }
  const [first] = named;
  return changed === message && first !== undefined ? `${first.flag}: ${message}` : changed;
}
