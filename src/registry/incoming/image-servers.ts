import type { AllowedUpstream } from '../../config/upstream-fields.ts';
import { HeadwaterError } from '../../errors.ts';
import { type SingleImageServices, SingleImages } from '../../mirror/single-images.ts';

/**
 * The image servers from which clients may copy images. Clients name the server, so Headwater asks only servers that
 * the configuration lists; the list also says whose signatures count.
 */
export class ImageServers {
  /** The longest address first: the entry for a part of a server precedes the entry for the whole server. */
  readonly #allowed: AllowedUpstream[];
  readonly #services: SingleImageServices;

  constructor(allowed: readonly AllowedUpstream[], services: SingleImageServices) {
    this.#allowed = [...allowed].sort((one, other) => other.url.length - one.url.length);
    this.#services = services;
  }

  /**
   * The address of an allowed server, without a slash at the end.
   * @throws HeadwaterError `invalid` for a text that is not an address, `forbidden` for a server that is not listed
   */
  demand(server: string): string {
    return this.#entry(server).url;
  }

  /**
   * Opens a server to look for images; the caller closes it.
   * @throws HeadwaterError as {@link demand}, and as {@link SingleImages.open}
   */
  async open(server: string, signal: AbortSignal): Promise<SingleImages> {
    return await SingleImages.open(this.#entry(server), this.#services, signal);
  }

  /** The entry of the list that covers a server, with the server's own address. */
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

/** The normal form of an address, for comparisons; undefined for a text that is not an address. */
function normalized(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const { protocol, origin, pathname, search, hash, username, password } = new URL(text);
  if (protocol !== 'https:' && protocol !== 'http:') return undefined;
  if ([search, hash, username, password].some((part) => part !== '')) return undefined;
  // An encoded slash could escape from the part of the server that is allowed.
  if (/%(2f|5c)/i.test(pathname)) return undefined;
  return origin + pathname.replace(/\/+$/, '');
}
