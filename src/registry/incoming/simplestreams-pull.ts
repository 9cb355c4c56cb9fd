import type { UpdateSource } from '../../catalog/images/pushed-details.ts';
import { HeadwaterError } from '../../errors.ts';
import { filenameOf, type SingleImages, sizeOf } from '../../mirror/single-images.ts';
import type { Architecture } from '../../model/architecture.ts';
import { defined } from '../../model/defined.ts';
import type { ArrivingFile } from '../../publish/push.ts';
import type { FoundImage, WantedImage } from '../../simplestreams/read/image-search.ts';
import { plainName } from '../image-view.ts';
import type { ImageServers } from './image-servers.ts';
import type { ImagePull, PulledImage, PullSource } from './pull.ts';
import { TransferMeter } from './transfer-meter.ts';

/** Fetches an image from an image server, once; {@link AutoUpdates} keeps it up to date if requested. */
export class SimplestreamsPull implements ImagePull {
  readonly #wanted: WantedImage;
  readonly #server: string;
  readonly #servers: ImageServers;
  #images: SingleImages | undefined;

  /**
   * @param options.architecture the architecture of the client, for an alias with images of several
   * @throws HeadwaterError `invalid`, `forbidden` for problems that the request alone shows
   */
  constructor(
    source: Pick<PullSource, 'server' | 'fingerprint' | 'alias' | 'image_type'>,
    options: { servers: ImageServers; architecture: Architecture },
  ) {
    const { servers, architecture } = options;
    this.#servers = servers;
    this.#server = servers.demand(source.server);
    // Clients write aliases into both fields.
    const reference = source.fingerprint || source.alias;
    if (reference === '') {
      throw new HeadwaterError('invalid', 'source.fingerprint: expected an alias or a fingerprint');
    }
    const type = parseType(source.image_type);
    this.#wanted = { reference, architecture, ...defined({ type }) };
  }

  /**
   * Reads the server's documents and begins to fetch.
   * @throws HeadwaterError when the server cannot be reached, its documents are refused, or it does not have the image
   */
  async open(signal: AbortSignal, onProgress: (progress: string) => void): Promise<PulledImage> {
    this.#images = await this.#servers.open(this.#server, signal);
    const [result] = await this.#images.search([this.#wanted]);
    if (result === undefined) throw new Error('a search had no result');
    if ('error' in result) throw result.error;
    const { image } = result;
    const { reference, architecture } = this.#wanted;
    const updateSource = { server: this.#server, alias: reference, architecture };
    return {
      ...describeFound(image),
      files: fetched(this.#images, image, onProgress),
      updateSource: { ...updateSource, type: image.root.type, ...versionOf(image) },
    };
  }

  async close(): Promise<void> {
    await this.#images?.close();
  }
}

/** The properties of an image in the server's documents, in addition to those in its metadata. */
export function describeFound(image: FoundImage): Omit<PulledImage, 'files' | 'updateSource'> {
  const { product, version, root } = image;
  const { eol, requirements = {} } = product.details;
  return {
    ...defined({ fingerprint: root.fingerprint }),
    properties: {
      serial: version.name,
      ...Object.fromEntries(
        Object.entries(requirements).map(([key, value]) => [`requirements.${key}`, value]),
      ),
    },
    ...(eol === undefined ? {} : { expiresAt: new Date(`${eol}T00:00:00Z`) }),
    filename: plainName(filenameOf(image)),
  };
}

/** Identifies the version of an image on its server. */
export function versionOf({
  product,
  version,
}: FoundImage): Pick<UpdateSource, 'product' | 'serial' | 'version'> {
  return { product: product.name, serial: version.serial, version: version.name };
}

/** The files of an image; their transfer reports progress. */
export async function* fetched(
  images: SingleImages,
  image: FoundImage,
  onProgress: (progress: string) => void,
): AsyncGenerator<ArrivingFile> {
  const meter = new TransferMeter(sizeOf(image), onProgress);
  for await (const file of images.files(image)) yield { ...file, bytes: meter.count(file.bytes) };
}

function parseType(text: string): WantedImage['type'] {
  if (text === '') return undefined;
  if (text === 'container' || text === 'virtual-machine') return text;
  throw new HeadwaterError(
    'invalid',
    `source.image_type ${JSON.stringify(text)}: expected container or virtual-machine`,
  );
}
