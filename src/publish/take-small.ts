import { Examination, type Found } from './examination.ts';

/** A small file, all of whose bytes are here. */
export interface SmallFile {
  bytes: Uint8Array;
  /** The bytes of the metadata item that it is a root of, for the fingerprint. */
  after?: Uint8Array;
  /** A path where to make a file of the bytes, once they are known to be an image file. */
  into?: string;
}

/**
 * Examines a small file, and writes it where it is to be.
 * @param write makes a file where there is none
 * @throws HeadwaterError `invalid` when it is no image file; what `write` throws
 */
export async function takeSmallFile(
  { bytes, after, into }: SmallFile,
  write: (path: string, bytes: Uint8Array) => void | Promise<void>,
): Promise<Found> {
  const examination = await Examination.start({ identify: true, ...(after === undefined ? {} : { after }) });
  await examination.update(bytes);
  const found = await examination.end();
  if (into !== undefined) await write(into, bytes);
  return found;
}
