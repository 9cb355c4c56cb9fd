import { access } from 'node:fs/promises';
import type { TestProject } from 'vitest/node';
import { startCeph } from '../support/ceph.ts';
import { startDaemons, stopDaemons } from '../support/daemons.ts';
import { debianImages } from '../support/images.ts';
import { program } from './headwater.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The directory that make-images.sh filled. */
    images: string;
    s3: { endpoint: string; accessKey: string; secretKey: string };
  }
}

/** Brings up, once for all files, what takes long: Debian's images, both daemons, an S3 service. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  if (process.getuid?.() !== 0) throw new Error('the end-to-end tests run containers: run them as root');
  await access(program).catch(() => {
    throw new Error(`${program} is missing: run npm run build first`);
  });
  const [images, ceph] = await Promise.all([debianImages(), startCeph(), startDaemons()]);
  project.provide('images', images);
  project.provide('s3', {
    endpoint: ceph.endpoint,
    accessKey: ceph.accessKey,
    secretKey: ceph.secretKey,
  });
  return async () => {
    await Promise.all([stopDaemons(), ceph.stop()]);
  };
}
