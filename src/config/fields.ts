import { isIP } from 'node:net';
import * as z from 'zod';
import { parseDuration, parseSize } from './quantities.ts';

// Types of settings. Every message completes the sentence "KEY: expected …".

/** How text from the environment or a flag is parsed, and whether it is a path. */
export const kinds = ['text', 'path', 'integer', 'boolean', 'map'] as const;
export type Kind = (typeof kinds)[number];

export function leaf<Schema extends z.ZodType>(kind: Kind, schema: Schema): Schema {
  return schema.meta({ kind });
}

export function integer(min: number, max: number) {
  const error = `expected a whole number from ${min} to ${max}`;
  return leaf('integer', z.int({ error }).min(min, { error }).max(max, { error }));
}

export function text(description: string, test: (value: string) => boolean) {
  const error = `expected ${description}`;
  return leaf('text', z.string({ error }).refine(test, { error }));
}

export function choice<const Values extends readonly string[]>(values: Values) {
  return leaf('text', z.enum(values, { error: `expected one of ${values.join(', ')}` }));
}

export const boolean = leaf('boolean', z.boolean({ error: 'expected true or false' }));

export const path = (description: string) => {
  const error = `expected the path of ${description}`;
  return leaf('path', z.string({ error }).min(1, { error }));
};

/** Bytes. */
export function size(min: number, max: number, description: string) {
  const error = `expected a size ${description}, such as 16MiB`;
  return leaf(
    'text',
    z
      .union([z.string(), z.number()], { error })
      .transform((value) => parseSize(String(value)) ?? Number.NaN)
      .refine((bytes) => bytes >= min && bytes <= max, { error }),
  );
}

/** Bytes: one at least. */
export const positiveSize = size(1, Number.MAX_SAFE_INTEGER, 'of at least 1 byte');

/** Milliseconds. */
export const duration = leaf(
  'text',
  z
    .string({ error: 'expected a duration with its unit, such as 30s, 6h or 1d12h' })
    .transform((value) => parseDuration(value) ?? Number.NaN)
    // A timer of Node.js counts milliseconds in 32 bits.
    .refine((milliseconds) => milliseconds >= 0 && milliseconds < 2 ** 31, {
      error: 'expected a duration with its unit, such as 30s, 6h or 1d12h, of less than 24 days',
    }),
);

/** Milliseconds; unlike a {@link duration}, it may exceed the range of a timer. */
export const age = leaf(
  'text',
  z
    .string({ error: 'expected a duration with its unit, such as 12h or 30d' })
    .transform((value) => parseDuration(value) ?? Number.NaN)
    .refine((milliseconds) => milliseconds > 0, {
      error: 'expected a duration with its unit, such as 12h or 30d',
    }),
);

/** Milliseconds; like {@link age}, but 0 is allowed. */
export const period = leaf(
  'text',
  z
    .string({ error: 'expected a duration with its unit, such as 12h, 7d or 0s' })
    .transform((value) => parseDuration(value) ?? Number.NaN)
    .refine((milliseconds) => milliseconds >= 0, {
      error: 'expected a duration with its unit, such as 12h, 7d or 0s',
    }),
);

/** A moment; a date without a time is its beginning in UTC. */
export const dateTime = leaf(
  'text',
  text(
    'a date such as 2026-11-24 or 2026-11-24T08:11:02Z',
    (value) =>
      /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2}))?$/.test(value) &&
      !Number.isNaN(Date.parse(value)),
  ).transform((value) => new Date(value)),
);

/** The name of a stream. */
export const streamName = text(
  'the name of a stream: lower-case letters, digits and . _ + ~ -',
  (value) => /^[a-z0-9][a-z0-9._+~-]{0,63}$/.test(value) && !value.includes('..') && value !== 'index',
);

/** The name of a site: it is part of file names, also on FAT. */
export const siteName = text('the name of a site: at most 32 lower-case letters, digits and -', (value) =>
  /^[a-z0-9][a-z0-9-]{0,31}$/.test(value),
);

export function isHost(value: string): boolean {
  return isIP(value) !== 0 || /^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(value);
}

export function isWebAddress(value: string): boolean {
  if (!/^https?:\/\//.test(value) || !URL.canParse(value)) return false;
  const { search, hash, username, password } = new URL(value);
  return search === '' && hash === '' && username === '' && password === '';
}

/** Addresses and networks, IPv4 and IPv6. */
export const networks = leaf(
  'map',
  z.array(text('an address or a network, such as 192.0.2.7 or 10.0.0.0/8', isNetwork), {
    error: 'expected a list of addresses and networks, such as [10.0.0.0/8]',
  }),
);

function isNetwork(value: string): boolean {
  const [address = '', prefix, ...rest] = value.split('/');
  const bits = isIP(address) === 6 ? 128 : 32;
  return (
    isIP(address) !== 0 &&
    // BlockList would ignore a zone (`fe80::1%eth0`), so that the entry would match more than was written.
    !address.includes('%') &&
    rest.length === 0 &&
    (prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bits))
  );
}
