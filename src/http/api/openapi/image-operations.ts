import { aliasBody, versionBody } from '../schemas.ts';
import {
  aliasesAnswer,
  blobAnswer,
  imagesAnswer,
  productAnswer,
  productsAnswer,
  publishedAnswer,
  streamsAnswer,
} from './image-answers.ts';
import type { Operation } from './openapi-operation.ts';

const filterParameters = {
  stream: 'Only this stream.',
  os: 'Only this os.',
  release: 'Only this release.',
  architecture: 'Only this architecture, by its Debian name.',
  variant: 'Only this variant.',
};

const whichStream = { stream: 'The stream, if several streams have this name.' };

/** Reading, publishing and removing images, and their aliases. */
export const imageOperations: Record<string, Operation> = {
  'GET /streams': {
    summary: 'The streams.',
    answers: { 200: { description: 'Their names, and whether they are public.', body: streamsAnswer } },
  },
  'GET /products': {
    summary: 'Products with their versions, sorted by name and stream, one page at a time.',
    query: {
      ...filterParameters,
      alias:
        'Only the products that this alias points to: in each stream that has it, one for each architecture.',
      name: 'Only the products of this name, one in each stream that has it.',
      after: 'Only products after this one: `next` of the previous page.',
      limit: 'Products on a page: 1 to 500.',
    },
    answers: {
      200: { description: 'A page, with `next` if there are more.', body: productsAnswer },
      422: 'A parameter is invalid.',
    },
  },
  'GET /products/{product}': {
    summary: 'A product with its versions.',
    query: { ...whichStream, provenance: '1: tell the origin of each version, and what proves it.' },
    answers: {
      200: { description: 'The product.', body: productAnswer },
      404: 'Not found.',
      409: 'Several streams have this name, and `stream` is missing.',
      422: 'A parameter is invalid.',
    },
  },
  'GET /images/{fingerprint}': {
    summary: 'The images whose fingerprint begins with these digits, at most 100.',
    answers: {
      200: { description: 'The images: stream, product, serial, fingerprint.', body: imagesAnswer },
      422: 'Not hexadecimal digits, or too few.',
    },
  },
  'HEAD /blobs/{digest}': {
    summary:
      'Tells whether the caller may use a blob: the caller uploaded it, or may read an image that contains it.',
    action: 'publish',
    answers: {
      200: { description: 'The caller may use the blob.', headers: ['Blob-Size'] },
      404: {
        description: 'The blob does not exist for the caller. An upload of the caller resumes at the offset.',
        headers: ['Upload-Offset'],
      },
      422: 'Not a valid digest.',
    },
  },
  'PUT /blobs/{digest}': {
    summary: 'Uploads a blob, or the rest of a blob whose upload was interrupted.',
    action: 'publish',
    query: {
      metadata: 'The digest of the metadata tarball that belongs to this root: saves reading the root twice.',
    },
    headers: { 'Content-Range': '`bytes FIRST-LAST/TOTAL`, up to the last byte, to resume at FIRST.' },
    bytes: true,
    answers: {
      200: { description: 'Already stored.', body: blobAnswer },
      201: { description: 'Stored.', body: blobAnswer },
      409: {
        description:
          'The upload resumes at another offset (`Upload-Offset`), or another request of the caller is uploading the blob.',
        headers: ['Upload-Offset'],
      },
      404: 'The metadata tarball does not exist for the caller.',
      413: 'The blob is larger than `limits.uploadSize`.',
      422: 'The bytes do not match the digest or length, or are not an image file.',
    },
  },
  'POST /versions': {
    summary: 'Publishes a version that consists of uploaded blobs.',
    action: 'publish',
    body: versionBody,
    answers: {
      200: {
        description: 'The same version was published before.',
        body: publishedAnswer,
        headers: ['Location'],
      },
      201: { description: 'Published.', body: publishedAnswer, headers: ['Location'] },
      404: 'A blob was not uploaded.',
      409: 'The serial has other files, or the product or an alias belongs to another owner.',
      413: 'The body is too large, or a quota is used up.',
      422: 'A field is invalid, or the files do not form a version.',
    },
  },
  'DELETE /products/{product}/versions/{serial}': {
    summary: 'Removes a version from the documents. Its files can be downloaded until the grace period ends.',
    action: 'remove',
    query: {
      ...whichStream,
      withdraw:
        'The reason for a withdrawal: mirrors do not bring the version back, it cannot be published again, and bundles tell sites to remove it. The version need not be in the documents any more.',
    },
    answers: {
      204: 'Removed.',
      404: 'Not found.',
      409: 'Several streams have the product, and `stream` is missing.',
      422: 'The reason is empty or too long.',
    },
  },
  'GET /aliases': {
    summary: 'The aliases and the products that they point to.',
    answers: { 200: { description: 'The aliases.', body: aliasesAnswer } },
  },
  'PUT /aliases/{alias}': {
    summary: 'Points an alias to the products of an os, release and variant. An existing alias moves.',
    action: 'publish',
    body: aliasBody,
    answers: {
      204: 'Done.',
      404: 'No such product.',
      409: 'The alias belongs to another owner, or several streams have such products and `stream` is missing.',
      422: 'The alias or a field is invalid.',
    },
  },
  'DELETE /aliases/{alias}': {
    summary: 'Removes an alias.',
    action: 'publish',
    query: whichStream,
    answers: {
      204: 'Done.',
      404: 'Not found.',
      409: 'Several streams have this name, and `stream` is missing.',
      422: 'Not a valid alias name.',
    },
  },
};
