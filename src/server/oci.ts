import { join } from 'node:path';
import type { Config } from '../config/schema.ts';
import type { AnyDefinition } from '../config/sites/any-definition.ts';
import { messageOf } from '../errors.ts';
import type { Middleware } from '../http/context.ts';
import type { ErrorSinks } from '../http/errors.ts';
import { createOciRegistry } from '../http/oci/router.ts';
import { BearerTokens } from '../oci/bearer-tokens.ts';
import { ImagePushes } from '../oci/push/image-push.ts';
import { PendingBlobs } from '../oci/push/pending-blobs.ts';
import { VisibleRepositories } from '../oci/repositories.ts';
import type { Foundation } from './foundation.ts';
import type { Resources } from './resources.ts';
import type { Services } from './services.ts';
import { streamsOf } from './workspace.ts';

/** Combines the OCI registry. */
export function composeOci(
  parts: { foundation: Foundation; services: Services; config: Config; definitions: AnyDefinition[] },
  options: { sinks: ErrorSinks; redirectToStore: boolean },
  opened: Resources,
): Middleware {
  const { foundation, services, config, definitions } = parts;
  const { log, workspace } = foundation;
  const { catalog, store, intake } = workspace;
  const { access, receiver, imageBytes } = services;
  const { limits } = config;
  const pending = new PendingBlobs({
    directory: join(config.dataDir, 'pushes'),
    intake,
    limits: {
      size: limits.uploadSize,
      uploads: limits.unfinishedUploads,
      bytes: limits.unfinishedUploadBytes,
      age: limits.unfinishedUploadAge,
    },
    onError: (error) => log.warn({ error: messageOf(error) }, 'old pushed blobs could not be removed'),
  });
  opened.onClose('the pushed blobs', () => pending.close());
  const repositories = new VisibleRepositories({ access, catalog });
  return createOciRegistry(
    {
      ...{ access, pending, repositories },
      ...{ redirectToStore: options.redirectToStore, publicUrl: config.publicUrl },
      bearers: new BearerTokens({ access, secrets: catalog.secrets }),
      images: imageBytes,
      pushes: new ImagePushes({
        ...{ access, catalog, receiver, pending, repositories, store },
        configuredStreams: streamsOf(config, definitions),
      }),
    },
    options.sinks,
  );
}
