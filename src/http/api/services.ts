import type * as z from 'zod';
import type { Access } from '../../access/access.ts';
import type { Catalog } from '../../catalog/catalog.ts';
import type { Token } from '../../catalog/identities/tokens.ts';
import type { MirrorService } from '../../mirror/service.ts';
import type { Scrub } from '../../ops/scrub/scrub.ts';
import type { StoreReport } from '../../ops/store-report.ts';
import type { LocalDestination } from '../../publish/destination/local-destination.ts';
import type { Uploads } from '../../publish/resumable-uploads.ts';
import type { bundleBody } from './schemas.ts';

/** What a client asks for. */
export interface BundleRequest extends Omit<NonNullable<z.output<typeof bundleBody>>, 'maxSize'> {
  /** Bytes. */
  maxSize?: number;
}

/** A bundle that is about to be sent. */
export interface StreamedBundle {
  sequence: number;
  /** Bytes. */
  size: number;
  chunks: AsyncIterable<Uint8Array>;
  /** To be called when all bytes were sent. */
  finish(): Promise<void>;
}

/** Writes bundles for sites without a network. */
export interface SiteBundles {
  /** @param catalog records the client as the author */
  open(catalog: Catalog, to: string, request: BundleRequest): Promise<StreamedBundle>;
}

/** What the routes of the API act on. */
export interface ApiServices {
  catalog: Catalog;
  destination: LocalDestination;
  uploads: Uploads;
  mirrors: MirrorService;
  access: Access;
  bundles: SiteBundles;
  /** The state of the blob store. */
  storeReport: () => Promise<StoreReport>;
  scrub: Scrub;
  /** The stream that images go into that clients push. */
  pushedTo: string;
  /** The streams that the configuration and the mirrors name. */
  configuredStreams: readonly string[];
  /** Writes the token that a client joins with, around its secret; throws where clients cannot join. */
  joinToken: (token: Pick<Token, 'name' | 'expiresAt'>, secret: string) => string;
}
