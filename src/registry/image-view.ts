import type { Image } from '../catalog/images/images.ts';
import type { UpdateSource } from '../catalog/images/pushed-details.ts';
import { HeadwaterError } from '../errors.ts';
import { kernelName, parseArchitecture } from '../model/architecture.ts';
import { type ImageType, imageTypeOf, isUnified } from '../model/item-types.ts';

/** A time that is not set, as Go writes it. */
const never = '0001-01-01T00:00:00Z';

/** An image as the LXD API shows it. */
export interface ImageView {
  fingerprint: string;
  type: ImageType;
  architecture: string;
  size: number;
  filename: string;
  public: boolean;
  cached: false;
  auto_update: boolean;
  properties: Record<string, string>;
  profiles: string[];
  aliases: { name: string; description: string }[];
  created_at: string;
  expires_at: string;
  last_used_at: string;
  uploaded_at: string;
  update_source?: {
    alias: string;
    certificate: string;
    protocol: 'simplestreams';
    server: string;
    image_type: string;
  };
}

/** The type of an image's field, for filters: values are compared according to it. */
export type FieldKind = 'text' | 'number' | 'boolean' | 'map' | 'list';

/** The fields by which a list of images can be filtered. */
export const imageFields: Record<keyof Omit<ImageView, 'aliases'>, FieldKind> = {
  fingerprint: 'text',
  type: 'text',
  architecture: 'text',
  size: 'number',
  filename: 'text',
  public: 'boolean',
  cached: 'boolean',
  auto_update: 'boolean',
  properties: 'map',
  profiles: 'list',
  created_at: 'text',
  expires_at: 'text',
  last_used_at: 'text',
  uploaded_at: 'text',
  update_source: 'map',
};

/** The fields of an image that clients may change; the entity tag is computed from them. */
export type EditableView = Pick<
  ImageView,
  'auto_update' | 'properties' | 'public' | 'expires_at' | 'profiles'
>;

/** The properties of a root, which every image has. */
export function imageType({ root }: Image): ImageType {
  return imageTypeOf(root.type) ?? 'container';
}

/** The image in the form of the LXD API, with the aliases that the client may see. */
export function viewImage(
  image: Image,
  shown: { public: boolean; aliases: { name: string; description: string }[] },
): ImageView {
  const { pushed, root, metadata } = image;
  return {
    fingerprint: image.fingerprint,
    type: imageType(image),
    architecture: architectureOf(image),
    size: root.size + (metadata?.size ?? 0),
    filename: pushed?.filename || `${image.fingerprint}.tar.xz`,
    public: shown.public,
    cached: false,
    auto_update: pushed?.autoUpdate ?? false,
    properties: pushed?.properties ?? publishedProperties(image),
    profiles: pushed?.profiles ?? ['default'],
    aliases: shown.aliases,
    created_at: (pushed?.createdAt ?? image.publishedAt).toISOString(),
    expires_at: expiry(image),
    last_used_at: never,
    uploaded_at: image.publishedAt.toISOString(),
    ...viewSource(pushed?.updateSource),
  };
}

function viewSource(source: UpdateSource | undefined): Pick<ImageView, 'update_source'> {
  if (source === undefined) return {};
  const { server, alias, type } = source;
  return {
    update_source: { alias, certificate: '', protocol: 'simplestreams', server, image_type: type },
  };
}

export function editable(view: ImageView): EditableView {
  const { auto_update, properties, public: isPublic, expires_at, profiles } = view;
  return { auto_update, properties, public: isPublic, expires_at, profiles };
}

/**
 * Reads a time that a client sent; undefined when it means no time, like an empty text and times up to 1970.
 * @throws HeadwaterError `invalid`
 */
export function parseExpiry(text: string): Date | undefined {
  if (text === '') return undefined;
  const date = new Date(text);
  if (/^\d{4}-\d{2}-\d{2}/.test(text) && !Number.isNaN(date.getTime())) {
    return date.getTime() > 0 ? date : undefined;
  }
  throw new HeadwaterError(
    'invalid',
    `expires_at ${JSON.stringify(text.slice(0, 100))}: expected a time such as 2027-01-31T05:24:00Z`,
  );
}

export function formatExpiry(date: Date | undefined): string {
  return date?.toISOString() ?? never;
}

function expiry({ pushed, product }: Image): string {
  if (pushed !== undefined) return formatExpiry(pushed.expiresAt);
  return product.supportEol === undefined ? never : `${product.supportEol}T00:00:00Z`;
}

function architectureOf(image: Image): string {
  return kernelName(parseArchitecture(image.product.architecture));
}

/** The description that simplestreams clients make from the document of a published image. */
function publishedProperties(image: Image): Record<string, string> {
  const { product, serial, label, root } = image;
  const release = product.releaseShown ?? product.release;
  return {
    architecture: product.architecture,
    description: `${product.osTitle} ${product.releaseTitle} ${product.architecture} (${label}) (${serial})`,
    label,
    os: product.osTitle,
    release,
    serial,
    type: isUnified(root.type) ? 'tar.gz' : root.type,
    variant: product.variant,
    ...Object.fromEntries(
      Object.entries(product.requirements).map(([key, value]) => [`requirements.${key}`, value]),
    ),
  };
}

/**
 * The last part of a path, without characters that file names should not have: people read it, and clients write files
 * of this name.
 */
export function plainName(text: string): string {
  return (text.split(/[/\\]/).at(-1) ?? '').replaceAll(/[\u0000-\u001f\u007f]/g, '').slice(0, 255);
}
