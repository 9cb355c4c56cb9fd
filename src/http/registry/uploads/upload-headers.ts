import type { IncomingMessage } from 'node:http';
import { HeadwaterError } from '../../../errors.ts';
import { parseAlias } from '../../../model/names.ts';
import { plainName } from '../../../registry/image-view.ts';
import type { ImageRequest } from '../../../registry/incoming/receiver.ts';
import type { Context } from '../../context.ts';

/** The values in the headers of an upload: `X-LXD-…` or `X-Incus-…`. */
export interface UploadHeaders extends ImageRequest {
  /** Of the operation that announced the upload. */
  secret?: string;
}

/** @throws HeadwaterError `invalid`, naming the header */
export function readUploadHeaders(context: Context): UploadHeaders {
  const headers = (name: string) => headersOf(context.req, name);
  const header = (name: string) => headers(name)[0] ?? '';
  const fingerprint = header('fingerprint').toLowerCase();
  if (fingerprint !== '' && !/^[0-9a-f]{64}$/.test(fingerprint)) {
    throw new HeadwaterError('invalid', 'X-LXD-fingerprint: expected 64 hexadecimal digits');
  }
  const secret = header('secret');
  const profiles = headers('profiles').flatMap((text) => new URLSearchParams(text).getAll('profile'));
  return {
    aliases: headers('aliases')
      .flatMap((text) => new URLSearchParams(text).getAll('alias'))
      .map((name) => ({ name: parseAlias(name) })),
    // The daemons treat these as true (shared.IsTrue).
    public: /^(true|1|yes|on)$/i.test(header('public')),
    properties: propertiesIn(headers('properties')),
    profiles: profiles.length === 0 ? ['default'] : profiles,
    filename: plainName(header('filename')),
    autoUpdate: false,
    ...(fingerprint === '' ? {} : { fingerprint }),
    ...(secret === '' ? {} : { secret }),
  };
}

/** The values of `X-LXD-NAME`, or else of `X-Incus-NAME`: one header may come several times, and empty ones are none. */
function headersOf(request: IncomingMessage, name: string): string[] {
  const given = (header: string) =>
    (request.headersDistinct[header] ?? []).filter((value) => value !== '').map(fromBytes);
  const values = given(`x-lxd-${name}`);
  return values.length > 0 ? values : given(`x-incus-${name}`);
}

/** If one header gives a property twice, the first value counts; if two headers give it, the last one, as in LXD. */
function propertiesIn(headers: string[]): Record<string, string> {
  const properties = new Map<string, string>();
  for (const header of headers) {
    const query = new URLSearchParams(header);
    for (const key of query.keys()) properties.set(key, query.get(key) ?? '');
  }
  return Object.fromEntries(properties);
}

/** Node.js reads each byte of a header as a character; clients that do not encode what they send mean UTF-8. */
function fromBytes(value: string): string {
  const text = Buffer.from(value, 'latin1').toString('utf8');
  return text.includes('\ufffd') ? value : text;
}

/** The architecture of the client, which it names: `LXD 5.0.2 (Linux; x86_64; …)`. */
export function agentArchitecture(context: Context): string | undefined {
  return /^(?:LXD|Incus) [^(]*\(Linux; ([\w-]+);/.exec(context.get('User-Agent'))?.[1];
}
