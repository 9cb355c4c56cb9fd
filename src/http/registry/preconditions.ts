import { hash } from 'node:crypto';
import type { Context } from '../context.ts';
import { PreconditionFailed } from './errors.ts';

/** The ETag of a value, without its quotes: different values have different ETags. */
export function etagOf(value: unknown): string {
  return hash('sha256', JSON.stringify(value));
}

/**
 * Checks the ETag that the client has read (RFC 9110, section 13.1.1); without one, there is no check.
 * @throws PreconditionFailed
 */
export function assertUnchanged(context: Context, etag: string): void {
  const header = context.get('If-Match');
  if (header === '' || header === '*') return;
  // A proxy that compresses marks tags as weak; ours are hashes, equal only where the values are.
  const tags = header.split(',').map((tag) => tag.trim().replace(/^(?:W\/)?"(.*)"$/, '$1'));
  if (tags.includes(etag)) return;
  throw new PreconditionFailed(
    'the object was changed since you read it: read it again, and repeat your change',
  );
}
