import type { BlobStore } from '../../blobs/blob-store.ts';
import type { AllowedUpstream } from '../../config/upstream-fields.ts';
import { HeadwaterError } from '../../errors.ts';
import { SingleImages } from '../../mirror/single-images.ts';

/**
 * The image servers that clients may have images copied from. Clients name the server, so nothing is asked that the
 * configuration does not list: whoever wrote the list also said whose signature counts.
 */
export class ImageServers {
  /** The longest address first: the entry for a part of a server goes before that for the whole. */
  readonly #allowed: AllowedUpstream[];
  readonly #store: Pick<BlobStore, 'stat' | 'read'>;

  /** @param store what it has is not fetched again */
  constructor(allowed: readonly AllowedUpstream[], store: Pick<BlobStore, 'stat' | 'read'>) {
    this.#allowed = [...allowed].sort((one, other) => other.url.length - one.url.length);
    this.#store = store;
  }

  /**
   * The address of a server that may be asked, without a slash at the end.
   * @throws HeadwaterError `invalid` for what is no address, `forbidden` for what is not listed
   */
  demand(server: string): string {
    return this.#entry(server).url;
  }

  /**
   * Makes ready to look for images; the caller closes it.
   * @throws HeadwaterError as {@link demand}, and as {@link SingleImages.open}
   */
  async open(server: string, signal: AbortSignal): Promise<SingleImages> {
    return await SingleImages.open(this.#entry(server), { store: this.#store, signal });
  }

  /** The entry that a server is listed by, with the server's own address. */
  #entry(server: string): AllowedUpstream {
    const url = normalized(server);
    if (url === undefined) {
      throw new HeadwaterError(
        'invalid',
        `source.server ${JSON.stringify(server)}: expected the address of an image server, such as https://images.example.com`,
      );
    }
    const allowed = this.#allowed.find((entry) => {
      const listed = normalized(entry.url);
      return listed !== undefined && (url === listed || url.startsWith(`${listed}/`));
    });
    if (allowed !== undefined) return { ...allowed, url };
    throw new HeadwaterError(
      'forbidden',
      `this registry may not copy from ${url}: its administrator can allow it with registry.mirrorFrom; or copy the image to your own server first, then use "image copy --mode push"`,
    );
  }
}

/** An address in the one way in which it is compared; undefined for what cannot be one. */
function normalized(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const { protocol, origin, pathname, search, hash, username, password } = new URL(text);
  if (protocol !== 'https:' && protocol !== 'http:') return undefined;
  if ([search, hash, username, password].some((part) => part !== '')) return undefined;
  // A slash in disguise would lead out of the part that is allowed.
  if (/%(2f|5c)/i.test(pathname)) return undefined;
  return origin + pathname.replace(/\/+$/, '');
}
