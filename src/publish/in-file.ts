import { HeadwaterError } from '../errors.ts';

/** An error about a file's content, with the file's name before it where it does not say it itself. */
export function inFile(name: string, error: unknown): unknown {
  if (!(error instanceof HeadwaterError) || error.message.includes(`${name}:`)) return error;
  return new HeadwaterError(error.kind, `${name}: ${error.message}`, { cause: error });
}
