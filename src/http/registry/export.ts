import { randomBytes } from 'node:crypto';
import type { BlobStore } from '../../blobs/blob-store.ts';
import type { Catalog } from '../../catalog/catalog.ts';
import type { Image, ImageItem } from '../../catalog/images/images.ts';
import { type Content, compressionSuffixes } from '../../image/content.ts';
import { factsOf } from '../../model/item-types.ts';
import { contentOf } from '../../publish/blob-content.ts';
import { imageType } from '../../registry/image-view.ts';
import { type BlobBody, openBlob } from '../blob-body.ts';
import type { Context } from '../context.ts';
import { sendBytes } from '../send-bytes.ts';

/** A part of a response: text, or a blob. */
type Piece = { text: Buffer } | ImageItem;

/**
 * Sends the files of an image: a unified tarball as it is, the two files of a split image as multipart, metadata first.
 * The length is announced, so that clients show their progress and notice a missing end.
 */
export async function sendExport(
  context: Context,
  image: Image,
  services: { catalog: Catalog; imageBytes: Pick<BlobStore, 'read'> },
): Promise<void> {
  const { fingerprint, metadata, root } = image;
  const suffix = async (item: ImageItem) => suffixOf(item, await findContent(services.catalog, item));
  if (metadata === undefined) {
    context.set('Content-Type', 'application/octet-stream');
    // Clients use it as the name of the file that they write.
    context.set('Content-Disposition', `inline;filename=${fingerprint}${await suffix(root)}`);
    await send(context, [root], services.imageBytes);
    return;
  }
  const boundary = randomBytes(30).toString('hex');
  const files = [
    { field: 'metadata', name: `meta-${fingerprint}${await suffix(metadata)}`, item: metadata },
    {
      field: imageType(image) === 'virtual-machine' ? 'rootfs.img' : 'rootfs',
      name: `${fingerprint}${await suffix(root)}`,
      item: root,
    },
  ];
  const pieces: Piece[] = files.flatMap(({ field, name, item }, index) => [
    text(
      `${index === 0 ? '' : '\r\n'}--${boundary}\r\n` +
        `Content-Disposition: form-data; name="${field}"; filename="${name}"\r\n` +
        'Content-Type: application/octet-stream\r\n\r\n',
    ),
    item,
  ]);
  context.set('Content-Type', `multipart/form-data; boundary=${boundary}`);
  await send(context, [...pieces, text(`\r\n--${boundary}--\r\n`)], services.imageBytes);
}

async function send(context: Context, pieces: Piece[], imageBytes: Pick<BlobStore, 'read'>): Promise<void> {
  // A client that disconnected during the lookup needs no bytes.
  if (context.res.destroyed) return;
  const body: (Uint8Array | BlobBody)[] = [];
  try {
    for (const piece of pieces) body.push('text' in piece ? piece.text : await openBlob(imageBytes, piece));
  } catch (error) {
    for (const part of body) if (!(part instanceof Uint8Array)) part.bytes.destroy();
    throw error;
  }
  context.status = 200;
  context.length = body.reduce((sum, { length }) => sum + length, 0);
  context.respond = false;
  await sendBytes(context.res, body);
}

function text(characters: string): Piece {
  return { text: Buffer.from(characters) };
}

async function findContent(catalog: Catalog, { digest }: ImageItem): Promise<Content | undefined> {
  const record = await catalog.blobs.find(digest);
  return record === undefined ? undefined : contentOf(record);
}

function suffixOf({ type }: ImageItem, content: Content | undefined): string {
  const { format } = factsOf(type);
  const compression = content?.compression ?? 'xz';
  // A unified image may be a squashfs, too.
  if (format !== 'tar' || compression === 'squashfs') return `.${format === 'tar' ? 'squashfs' : format}`;
  return `.tar${compressionSuffixes[compression]}`;
}
