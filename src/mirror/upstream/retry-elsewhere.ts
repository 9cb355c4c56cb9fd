import { HeadwaterError } from '../../errors.ts';

/** The upstream sent other bytes than its document announces: they are discarded. */
export class WrongBytes extends HeadwaterError {
  constructor(message: string, options?: { cause: unknown }) {
    super('invalid', message, options);
  }
}

/**
 * Fetches a file, and once more from another address when its bytes were wrong.
 * @param fetch `elsewhere`: try the addresses in another order; throws {@link WrongBytes}
 * @throws the errors of `fetch`; {@link WrongBytes} when the bytes were wrong twice
 */
export async function atMostTwice<Result>(fetch: (elsewhere: boolean) => Promise<Result>): Promise<Result> {
  try {
    return await fetch(false);
  } catch (error) {
    if (error instanceof WrongBytes) return await fetch(true);
    throw error;
  }
}
