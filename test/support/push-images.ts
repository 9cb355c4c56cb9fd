import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { RegistryAnswer, RegistryClient } from './registry-client.ts';
import { makeSmallImage } from './small-images.ts';

const boundary = 'registry-test-boundary';

/** A small split image, in memory. */
export interface ImageBytes {
  metadata: Buffer;
  root: Buffer;
  fingerprint: string;
}

/** Makes an image that no other test has. */
export async function makeImage(properties: Record<string, string> = {}, size = 20_000): Promise<ImageBytes> {
  const files = await makeSmallImage({ os: 'Ubuntu', size, properties });
  const [metadata, root] = await Promise.all([readFile(files.metadata), readFile(files.root)]);
  const fingerprint = createHash('sha256').update(metadata).update(root).digest('hex');
  return { metadata, root, fingerprint };
}

/** A multipart body with the parts in the order given. */
export function multipart(parts: [name: string, bytes: Buffer][]): { body: Buffer; contentType: string } {
  const pieces = parts.flatMap(([name, bytes]) => [
    Buffer.from(
      `--${boundary}\r\nContent-Disposition: form-data; name="${name}"; filename="${name}"\r\n` +
        'Content-Type: application/octet-stream\r\n\r\n',
    ),
    bytes,
    Buffer.from('\r\n'),
  ]);
  return {
    body: Buffer.concat([...pieces, Buffer.from(`--${boundary}--\r\n`)]),
    contentType: `multipart/form-data; boundary=${boundary}`,
  };
}

/** Sends an image as `image import` does. */
export async function upload(
  client: RegistryClient,
  image: ImageBytes,
  headers: Record<string, string> = {},
): Promise<RegistryAnswer> {
  const { body, contentType } = multipart([
    ['metadata', image.metadata],
    ['rootfs', image.root],
  ]);
  return await client.request('POST', '/1.0/images', {
    body,
    headers: { 'content-type': contentType, ...headers },
  });
}

/** The operation of a 202, when it has ended. */
export async function ended(
  client: RegistryClient,
  answer: RegistryAnswer,
): Promise<Record<string, unknown>> {
  if (answer.status !== 202) throw new Error(`expected an operation, got ${answer.status}: ${answer.error}`);
  return (await client.get(`${answer.operation}/wait?timeout=20`)).metadata;
}
