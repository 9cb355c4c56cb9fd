import type { S3Bucket } from './s3-bucket.ts';
import type { S3Part, S3Uploads } from './s3-uploads.ts';

/**
 * Copies an object within the service, in one request if that is allowed, otherwise in pieces.
 * @param options.size bytes of the object
 * @param options.limit bytes that one request may copy
 */
export async function copyObject(
  services: { bucket: S3Bucket; uploads: S3Uploads },
  from: string,
  to: string,
  options: { size: number; limit: number },
): Promise<void> {
  const { bucket, uploads } = services;
  const { size, limit } = options;
  if (size <= limit) {
    await bucket.copy(from, to);
    return;
  }
  const upload = await uploads.start(to);
  try {
    const parts: S3Part[] = [];
    for (let start = 0; start < size; start += limit) {
      const end = Math.min(start + limit, size) - 1;
      parts.push(await uploads.copyPart(from, to, upload, parts.length + 1, { start, end }));
    }
    await uploads.complete(to, upload, parts, size);
  } catch (error) {
    await uploads.abort(to, upload).catch(() => undefined);
    throw error;
  }
}
