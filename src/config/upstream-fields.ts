import * as z from 'zod';
import { isWebAddress, path, text } from './fields.ts';

// What is said of an upstream wherever one is named: in the definition of a mirror, and in registry.mirrorFrom.

/** An address, without a slash at its end. */
export const address = text('an address such as https://images.example.com', isWebAddress).transform(
  (value) => value.replace(/\/+$/, ''),
);

/** Hosts, beside its own, that an upstream may redirect to. */
export const redirects = z
  .array(text('a host such as cdn.example.com, cdn.example.com:8443 or *.example.com', isRedirectHost), {
    error: 'expected a list of hosts, such as [cdn.example.com]',
  })
  .exactOptional();

function isRedirectHost(value: string): boolean {
  const host = value.replace(/^\*\./, '');
  if (!/^[^\s/?#@*\\]+$/.test(host) || !URL.canParse(`https://${host}`)) return false;
  // All below a top-level domain is nearly everybody.
  return value === host || /^[^.:[\]]+\.[^:[\]]+(:\d+)?$/.test(host);
}

/** Whom to trust. */
export const trust = {
  /** The OpenPGP keys, in a file, of which one must have signed the documents. */
  keyring: path('a file of OpenPGP public keys').exactOptional(),
  /** Takes documents that nobody signed. */
  unsigned: z.literal(true, { error: 'expected true, or a keyring instead' }).exactOptional(),
  /** Certificates, in PEM, that are trusted beside those of the system. */
  ca: path('a PEM file with certificates').exactOptional(),
};

/** Never silently neither: that nobody signs must be said. */
export function checkTrust(
  { keyring, unsigned }: { keyring?: string; unsigned?: true },
  add: (key: string, message: string) => void,
): void {
  if (keyring === undefined && unsigned === undefined) {
    add('keyring', 'expected a file of OpenPGP public keys, or "unsigned: true" to take what nobody signed');
  }
  if (keyring !== undefined && unsigned !== undefined) {
    add('unsigned', 'expected only one of keyring and unsigned');
  }
}

/** An image server that clients may have copied from. */
export const allowedUpstream = z
  .strictObject({ url: address, redirects, ...trust }, { error: 'expected {url: ADDRESS, keyring: FILE}' })
  .superRefine((upstream, context) => {
    checkTrust(upstream, (key, message) => context.addIssue({ code: 'custom', path: [key], message }));
  });

export type AllowedUpstream = z.output<typeof allowedUpstream>;
