import type { Access } from '../../access/access.ts';
import type { BlobStore } from '../../blobs/blob-store.ts';
import type { Catalog } from '../../catalog/catalog.ts';
import type { AutoUpdates } from '../../registry/incoming/auto-updates.ts';
import type { ImageServers } from '../../registry/incoming/image-servers.ts';
import type { PullPolicy } from '../../registry/incoming/pull-policy.ts';
import type { Receiver } from '../../registry/incoming/receiver.ts';
import type { Enrollment } from '../../registry/join/enrollment.ts';
import type { Operations } from '../../registry/operations/operations.ts';
import type { ServerInformation } from './server-information.ts';

/** The services of the registry's routes. */
export interface RegistryServices {
  catalog: Catalog;
  /** The source of the bytes of images. */
  imageBytes: Pick<BlobStore, 'read'>;
  access: Access;
  operations: Operations;
  enrollment: Enrollment;
  information: ServerInformation;
  receiver: Receiver;
  /** The addresses from which images may be pulled. */
  pulls: PullPolicy;
  imageServers: ImageServers;
  updates: AutoUpdates;
  /** The largest uploaded blob, in bytes. */
  uploadLimit: number;
}
