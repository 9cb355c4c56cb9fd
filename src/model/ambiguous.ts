import { HeadwaterError } from '../errors.ts';
import { inStream } from './names.ts';

/**
 * The error of a name that several streams have.
 * @param kind what it names
 * @param candidates those that it may mean: the caller may see them
 */
export function ambiguous(
  kind: 'product' | 'alias',
  name: string,
  candidates: readonly { stream: string }[],
): HeadwaterError {
  const streams = [...new Set(candidates.map(({ stream }) => stream))].sort();
  return new HeadwaterError(
    'conflict',
    `${kind} ${name} is in the streams ${streams.join(', ')}: name one, as in ${streams
      .map((stream) => inStream(stream, name))
      .join(' or ')} ("stream" in the API)`,
  );
}
