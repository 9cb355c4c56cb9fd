import { HeadwaterError } from '../../errors.ts';

/** An upstream sent other bytes than its document announces: nothing of them is worth keeping. */
export class WrongBytes extends HeadwaterError {
  constructor(message: string, options?: { cause: unknown }) {
    super('invalid', message, options);
  }
}

/**
 * Fetches a file, and once more from another address when its bytes were wrong.
 * @param fetch `elsewhere` when the addresses are to be asked in another order; throws {@link WrongBytes}
 * @throws what `fetch` throws, WrongBytes only the second time
 */
export async function atMostTwice<Result>(fetch: (elsewhere: boolean) => Promise<Result>): Promise<Result> {
  try {
    return await fetch(false);
  } catch (error) {
    if (error instanceof WrongBytes) return await fetch(true);
    throw error;
  }
}
