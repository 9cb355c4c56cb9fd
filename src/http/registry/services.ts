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

/** What the routes of the registry act on. */
export interface RegistryServices {
  catalog: Catalog;
  /** Where the bytes of images come from. */
  imageBytes: Pick<BlobStore, 'read'>;
  access: Access;
  operations: Operations;
  enrollment: Enrollment;
  information: ServerInformation;
  receiver: Receiver;
  /** From where images may be pulled. */
  pulls: PullPolicy;
  imageServers: ImageServers;
  updates: AutoUpdates;
  /** Bytes of one uploaded blob. */
  uploadLimit: number;
}
