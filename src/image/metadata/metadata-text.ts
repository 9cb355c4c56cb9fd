import { HeadwaterError } from '../../errors.ts';

/** @throws HeadwaterError `invalid` if metadata.yaml is not text */
export function decodeMetadata(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new HeadwaterError('invalid', 'metadata.yaml is not UTF-8 text', { cause: error });
  }
}
