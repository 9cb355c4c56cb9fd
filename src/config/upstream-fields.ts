import * as z from 'zod';
import { isWebAddress, path, text } from './fields.ts';

// The keys of an upstream, in definitions of mirrors and in registry.mirrorFrom.

/** A URL without a trailing slash. */
export const address = text('an address such as https://images.example.com', isWebAddress).transform(
  (value) => value.replace(/\/+$/, ''),
);

/** Other hosts to which an upstream may redirect. */
export const redirects = z
  .array(text('a host such as cdn.example.com, cdn.example.com:8443 or *.example.com', isRedirectHost), {
    error: 'expected a list of hosts, such as [cdn.example.com]',
  })
  .exactOptional();

function isRedirectHost(value: string): boolean {
  const host = value.replace(/^\*\./, '');
  if (!/^[^\s/?#@*\\]+$/.test(host) || !URL.canParse(`https://${host}`)) return false;
  // A wildcard below a top-level domain would match nearly every host.
  return value === host || /^[^.:[\]]+\.[^:[\]]+(:\d+)?$/.test(host);
}

/** The authenticity of documents. */
export const trust = {
  /** A file of OpenPGP keys, one of which must have signed the documents. */
  keyring: path('a file of OpenPGP public keys').exactOptional(),
  /** Accepts unsigned documents. */
  unsigned: z.literal(true, { error: 'expected true, or a keyring instead' }).exactOptional(),
  /** PEM certificates that are trusted in addition to those of the system. */
  ca: path('a PEM file with certificates').exactOptional(),
};

/** Requires a keyring or an explicit `unsigned`. */
export function checkTrust(
  { keyring, unsigned }: { keyring?: string; unsigned?: true },
  add: (key: string, message: string) => void,
): void {
  if (keyring === undefined && unsigned === undefined) {
    add(
      'keyring',
      'expected a file of OpenPGP public keys, or "unsigned: true" to accept unsigned documents',
    );
  }
  if (keyring !== undefined && unsigned !== undefined) {
    add('unsigned', 'expected only one of keyring and unsigned');
  }
}

/** An image server from which clients may copy. */
export const allowedUpstream = z
  .strictObject(
    {
      url: address,
      redirects,
      ...trust,
      /** Accepts documents that are older than those that were followed, or have other content ids. */
      acceptOlder: z.literal(true, { error: 'expected true' }).exactOptional(),
    },
    { error: 'expected {url: ADDRESS, keyring: FILE}' },
  )
  .superRefine((upstream, context) => {
    checkTrust(upstream, (key, message) => context.addIssue({ code: 'custom', path: [key], message }));
  });

export type AllowedUpstream = z.output<typeof allowedUpstream>;
