import type { Operation } from '../../registry/operations/operation.ts';
import type { Context } from '../context.ts';

// The responses of the LXD API, as lxc and incus parse them
// (https://documentation.ubuntu.com/lxd/stable-5.0/rest-api/#return-values).

const emptyEnvelope = { status: '', status_code: 0, operation: '', error_code: 0, error: '', metadata: null };

/** The body of an answer with a value. */
export function envelope(metadata: unknown) {
  return { ...emptyEnvelope, type: 'sync', status: 'Success', status_code: 200, metadata };
}

/** Answers with a value. */
export function sync(context: Context, metadata: unknown, options: { etag?: string } = {}): void {
  context.status = 200;
  if (options.etag !== undefined) context.set('ETag', `"${options.etag}"`);
  context.body = envelope(metadata);
}

/** Answers that an object was created. */
export function created(context: Context, location: string): void {
  context.status = 201;
  context.set('Location', location);
  context.body = { ...emptyEnvelope, type: 'sync', status: 'Created', status_code: 201 };
}

/** Answers with a background operation. */
export function started(context: Context, operation: Operation): void {
  context.status = 202;
  context.set('Location', operation.path);
  context.body = {
    ...emptyEnvelope,
    type: 'async',
    status: 'Operation created',
    status_code: 100,
    operation: operation.path,
    metadata: operation.view(),
  };
}

/** The body of an error. */
export function failure(code: number, message: string) {
  return { ...emptyEnvelope, type: 'error', error_code: code, error: message };
}

/** An image, in the form in which operations name their objects. */
export function resourceOf(fingerprint: string): Record<string, string[]> {
  return { images: [`/1.0/images/${fingerprint}`] };
}
