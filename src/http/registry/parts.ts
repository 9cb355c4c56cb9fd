import type { BlobStore } from '../../blobs/blob-store.ts';
import type { Catalog } from '../../catalog/catalog.ts';
import type { Actor } from '../../catalog/note-change.ts';
import type { LocalDestination } from '../../publish/local-destination.ts';
import type { Access } from '../access.ts';
import type { AutoUpdates } from './auto-updates.ts';
import type { Enrollment } from './enrollment.ts';
import type { ImageServers } from './image-servers.ts';
import type { Operations } from './operations.ts';
import type { PullPolicy } from './pull-policy.ts';
import type { PushPolicy } from './receiver.ts';
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
