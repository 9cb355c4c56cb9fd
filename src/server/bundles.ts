import { beginBundle } from '../bundle/create/create.ts';
import { nextBundle } from '../bundle/create/next-bundle.ts';
import type { BlobReader } from '../bundle/create/parts.ts';
import { siteWish } from '../bundle/create/site-wish.ts';
import { bundleStream } from '../bundle/create/stream.ts';
import type { WrittenBundle } from '../catalog/bundles/bundles.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { loadSites } from '../config/bundles/site-definitions.ts';
import type { Config } from '../config/schema.ts';
import { HeadwaterError, isKind } from '../errors.ts';
import type { BundleRequest, SiteBundles, StreamedBundle } from '../http/api/services.ts';
import { fetchAll } from '../mirror/on-demand/fetch-all.ts';
import type { OnDemandStore } from '../mirror/on-demand/on-demand-store.ts';
import { defined } from '../model/defined.ts';

/** What a server writes bundles with. */
interface BundleParts {
  config: Config;
  /** Also reads blobs that mirrors list on demand. */
  images: BlobReader;
  onDemand: OnDemandStore;
  /** Makes a detached signature, armored; undefined if the server does not sign. */
  sign: ((bytes: Uint8Array) => Promise<string>) | undefined;
}

/** Streams bundles for sites without a network to clients. */
export class BundleStreams implements SiteBundles {
  readonly #parts: BundleParts;

  constructor(parts: BundleParts) {
    this.#parts = parts;
  }

  async open(catalog: Catalog, to: string, request: BundleRequest): Promise<StreamedBundle> {
    try {
      return await this.#open(catalog, to, request);
    } catch (error) {
      // The same error of the command names an option.
      if (!isKind(error, 'usage')) throw error;
      const { message, fields = [] } = error;
      throw new HeadwaterError('invalid', message.replace(/^--/, ''), { cause: error, fields });
    }
  }

  async #open(catalog: Catalog, to: string, request: BundleRequest): Promise<StreamedBundle> {
    const bundle =
      request.again === undefined
        ? await this.#begin(catalog, to, request)
        : await sentBundle(catalog, to, request.again);
    const { sequence } = bundle;
    const { size, chunks } = bundleStream(bundle, { catalog, store: this.#parts.images });
    return { sequence, size, chunks, finish: async () => await catalog.bundles.finish(bundle) };
  }

  async #begin(catalog: Catalog, to: string, request: BundleRequest): Promise<WrittenBundle> {
    const { config, images, onDemand, sign } = this.#parts;
    if (sign === undefined) {
      throw new HeadwaterError(
        'conflict',
        'this server has no signing key, and a bundle must be signed: create one with "headwater key create" and restart the server',
      );
    }
    const { streams, mirrors, since, label, maxSize, fetch } = request;
    const wish = siteWish(
      to,
      {
        ...defined({ streams, mirrors, label, maxSize }),
        ...defined({ since: typeof since === 'number' ? { upTo: since } : since }),
        limit: Number.POSITIVE_INFINITY,
      },
      {
        ...{ config, definition: loadSites(config.bundleDir).get(to) },
        streams: await catalog.products.streams(),
      },
    );
    const next = await nextBundle(
      { catalog, store: images },
      wish,
      fetch === true ? async (blobs) => await fetchAll(onDemand, blobs) : undefined,
    );
    return next.begun ?? (await beginBundle(next.manifest, { catalog, store: images, sign }, next.repeated));
  }
}

async function sentBundle(catalog: Catalog, to: string, sequence: number): Promise<WrittenBundle> {
  const found = await catalog.bundles.find(to, sequence);
  if (found !== undefined) return found;
  throw new HeadwaterError('not-found', `no bundle ${sequence} was written for ${to}`);
}
