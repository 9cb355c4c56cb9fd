import type { Context } from 'koa';
import { parseAlias } from '../../catalog/names.ts';
import { HeadwaterError } from '../../errors.ts';
import type { Said } from './receiver.ts';

/** What the headers of an upload say: `X-LXD-…` or `X-Incus-…`. */
export interface UploadHeaders extends Said {
  /** Of the operation that announced the upload. */
  secret?: string;
}

/** @throws HeadwaterError `invalid`, naming the header */
export function readUploadHeaders(context: Context): UploadHeaders {
  const header = (name: string) => context.get(`X-LXD-${name}`) || context.get(`X-Incus-${name}`);
  const fingerprint = header('fingerprint').toLowerCase();
  if (fingerprint !== '' && !/^[0-9a-f]{64}$/.test(fingerprint)) {
    throw new HeadwaterError('invalid', 'X-LXD-fingerprint: expected 64 hexadecimal digits');
  }
  const secret = header('secret');
  const profiles = new URLSearchParams(header('profiles')).getAll('profile');
  return {
    aliases: new URLSearchParams(header('aliases'))
      .getAll('alias')
      .map((name) => ({ name: parseAlias(name) })),
    // The daemons take these for true (shared.IsTrue).
    public: /^(true|1|yes|on)$/i.test(header('public')),
    properties: Object.fromEntries(new URLSearchParams(header('properties'))),
    profiles: profiles.length === 0 ? ['default'] : profiles,
    filename: plainName(header('filename')),
    autoUpdate: false,
    ...(fingerprint === '' ? {} : { fingerprint }),
    ...(secret === '' ? {} : { secret }),
  };
}

/** The last part of a path, without what no file name should have: it is shown to people and written by clients. */
export function plainName(text: string): string {
  return (text.split(/[/\\]/).at(-1) ?? '').replaceAll(/[\u0000-\u001f\u007f]/g, '').slice(0, 255);
}
