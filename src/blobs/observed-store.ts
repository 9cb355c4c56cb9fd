import type { Readable } from 'node:stream';
import { codeOf, HeadwaterError, isKind } from '../errors.ts';
import type { Digest } from '../model/digest.ts';
import type {
  AsideBlob,
  AsideReason,
  BlobStore,
  ByteRange,
  Expected,
  RecordCondition,
  StagedBlobs,
  StoreRecord,
} from './blob-store.ts';
import { DamagedBlobError } from './damaged-blob.ts';

/**
 * Receives each call that failed by a fault of the store (not of the caller, such as a request for an unknown blob).
 * The kind is that of the error, or `damaged`.
 */
export type OnStoreError = (operation: string, kind: string, error: unknown) => void;

const callerErrorKinds = new Set(['not-found', 'invalid', 'aborted', 'conflict']);
/** The error of a stream whose reader left. */
const left = new Set(['ABORT_ERR', 'ERR_STREAM_PREMATURE_CLOSE']);

/** Wraps a store so that its failures are counted and logged. */
export function observeStore(store: BlobStore, onError: OnStoreError): BlobStore {
  const note = (operation: string, error: unknown) => {
    const kind = kindOf(error);
    if (!callerErrorKinds.has(kind) && !left.has(codeOf(error) ?? '')) onError(operation, kind, error);
  };
  const observed = async <Result>(operation: string, call: Promise<Result>): Promise<Result> => {
    try {
      return await call;
    } catch (error) {
      note(operation, error);
      throw error;
    }
  };
  const { adopt, stage, presign } = store;
  return {
    open: (options?: { create?: boolean }) => observed('open', store.open(options)),
    stat: (digest: Digest) => observed('stat', store.stat(digest)),
    read: async (digest: Digest, range?: ByteRange): Promise<Readable> => {
      const bytes = await observed('read', store.read(digest, range));
      bytes.once('error', (error) => note('read', error));
      return bytes;
    },
    write: (source: AsyncIterable<Uint8Array>, expected: Expected): Promise<void> =>
      observed('write', store.write(source, expected)),
    ...(adopt === undefined
      ? {}
      : { adopt: (path: string, digest: Digest) => observed('adopt', adopt.call(store, path, digest)) }),
    ...(stage === undefined
      ? {}
      : {
          stage: async (count: number): Promise<StagedBlobs> => {
            const { paths, keep, discard } = await observed('stage', stage.call(store, count));
            return { paths, keep: (files) => observed('write', keep(files)), discard };
          },
        }),
    remove: (digest: Digest) => observed('remove', store.remove(digest)),
    withdraw: (digest: Digest) => observed('remove', store.withdraw(digest)),
    list: () => store.list(),
    setAside: (digest: Digest, reason: AsideReason) => observed('set-aside', store.setAside(digest, reason)),
    aside: () => store.aside(),
    bringBack: (digest: Digest) => observed('bring-back', store.bringBack(digest)),
    removeAside: (blob: Pick<AsideBlob, 'digest' | 'reason'>) => observed('remove', store.removeAside(blob)),
    readRecord: (record: StoreRecord) => observed('read-record', store.readRecord(record)),
    writeRecord: (record: StoreRecord, text: string, condition?: RecordCondition) =>
      observed('write-record', store.writeRecord(record, text, condition)),
    ...(presign === undefined
      ? {}
      : {
          presign: (digest: Digest, options: { expiresInSeconds: number; method: 'GET' | 'HEAD' }) =>
            observed('presign', presign.call(store, digest, options)),
        }),
    check: (purpose) => observed('check', store.check(purpose)),
    close: () => store.close(),
  };
}

/** Wraps a reader of blobs that the catalog lists: a missing one is damage, not a mistake of the reader. */
export function observeListed(
  blobs: Pick<BlobStore, 'read'>,
  onError: OnStoreError,
): Pick<BlobStore, 'read'> {
  return {
    read: async (digest: Digest, range?: ByteRange): Promise<Readable> => {
      try {
        return await blobs.read(digest, range);
      } catch (error) {
        if (!isKind(error, 'not-found')) throw error;
        const missing = new DamagedBlobError(digest, 'is missing in the store', { cause: error });
        onError('read', kindOf(missing), missing);
        throw missing;
      }
    },
  };
}

function kindOf(error: unknown): string {
  if (error instanceof DamagedBlobError) return 'damaged';
  return error instanceof HeadwaterError ? error.kind : 'internal';
}
