import type { HeadwaterError } from '../../errors.ts';

/** The bytes that came are not those of the file. */
export class WrongBytes extends Error {
  override readonly cause: HeadwaterError;

  constructor(cause: HeadwaterError) {
    super(cause.message);
    this.cause = cause;
  }
}

/**
 * Fetches something that is fetched once more when its bytes were wrong.
 * @param fetch `elsewhere` when the addresses are to be asked in another order; throws {@link WrongBytes}
 * @throws what `fetch` throws; what the bytes were, when they were wrong twice
 */
export async function atMostTwice<Result>(fetch: (elsewhere: boolean) => Promise<Result>): Promise<Result> {
  try {
    return await fetch(false);
  } catch (error) {
    if (!(error instanceof WrongBytes)) throw error;
    return await fetch(true).catch((failure: unknown) => {
      throw failure instanceof WrongBytes ? failure.cause : failure;
    });
  }
}
