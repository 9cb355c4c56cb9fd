import type { Access } from '../../access/access.ts';
import type { BlobStore } from '../../blobs/blob-store.ts';
import type { Catalog } from '../../catalog/catalog.ts';
import type { Actor } from '../../catalog/database/audit-record.ts';
import type { LocalDestination } from '../../publish/destination/local-destination.ts';
import type { AutoUpdates } from '../../registry/incoming/auto-updates.ts';
import type { ImageServers } from '../../registry/incoming/image-servers.ts';
import type { PullPolicy } from '../../registry/incoming/pull-policy.ts';
import type { PushPolicy } from '../../registry/incoming/receiver.ts';
import type { Enrollment } from '../../registry/join/enrollment.ts';
import type { Operations } from '../../registry/operations/operations.ts';
import type { ServerInformation } from './server-information.ts';

/** What the routes of the registry act on. */
export interface RegistryParts {
  catalog: Catalog;
  /** Where the bytes of images come from. */
  imageBytes: Pick<BlobStore, 'read'>;
  destination: LocalDestination;
  access: Access;
  operations: Operations;
  enrollment: Enrollment;
  information: ServerInformation;
  /** What the configuration says of pushed images, and from where they may be pulled. */
  pushes: PushPolicy;
  pulls: PullPolicy;
  imageServers: ImageServers;
  updates: AutoUpdates;
  /** Bytes of one uploaded blob. */
  uploadLimit: number;
  /** Is told of every error of a push, and notes those that are refusals of limits. */
  noteRefusal: (error: unknown, actor: Actor) => void;
  /** Resolves when what was just committed shows in the documents. */
  published: () => Promise<void>;
}

export { catalogFor, identityOf } from '../acting.ts';
