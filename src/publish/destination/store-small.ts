import { type Outcome, outcomeOf, resultOf, withOutcomes } from '../../async/outcome.ts';
import { singleChunk } from '../../async/single-chunk.ts';
import type { BlobStore } from '../../blobs/blob-store.ts';
import { within } from '../../errors.ts';
import { defined } from '../../model/defined.ts';
import type { Digest } from '../../model/digest.ts';
import type { Intake } from '../intake/intake.ts';
import type { ExaminedFile, Sender } from '../intake/intake-types.ts';
import type { InputFile } from './destination.ts';
import { asExpected } from './input-file.ts';

/** A file whose bytes are all in memory. */
export type FileInMemory = InputFile & { from: 'memory' };

/** A small file to store. */
interface Storing {
  file: FileInMemory;
  /** The bytes of the metadata item that belongs to this root, for the fingerprint. */
  after?: Uint8Array;
}

/**
 * Examines small files and stores them, together. @param parts.client the sender of the files
 * @returns what became of each: `invalid` when it is no image file or not the expected one; what the store failed with
 * @throws HeadwaterError what the store failed with for all of them
 */
export async function storeSmall(
  inputs: readonly Storing[],
  { store, intake, client, address }: { store: BlobStore; intake: Intake } & Sender,
): Promise<Outcome<ExaminedFile>[]> {
  const staged = await store.stage?.(inputs.length);
  try {
    const places = inputs.map((input, index) => ({ ...input, into: staged?.paths[index] }));
    const examined = await intake.take(
      places.map(({ file: { bytes }, after, into }) => ({
        bytes,
        ...defined({ after, into }),
      })),
      client,
      address,
    );
    const written: { path: string; digest: Digest }[] = [];
    const outcomes = await Promise.all(
      withOutcomes(places, examined).map(({ request: { file, into }, outcome }) =>
        outcomeOf(async () => {
          const found = expected(file, outcome);
          const { digest, size } = found;
          if (into !== undefined) written.push({ path: into, digest });
          else await store.write(singleChunk(file.bytes), { digest, size, verified: true });
          return found;
        }),
      ),
    );
    await staged?.keep(written);
    return outcomes;
  } finally {
    await staged?.discard();
  }
}

function expected(file: FileInMemory, outcome: Outcome<ExaminedFile>): ExaminedFile {
  try {
    const found = resultOf(outcome);
    asExpected(file, found);
    return found;
  } catch (error) {
    throw within(file.name, error);
  }
}
