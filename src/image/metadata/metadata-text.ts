import { HeadwaterError } from '../../errors.ts';

/** @throws HeadwaterError `invalid` where metadata.yaml is no text */
export function decodeMetadata(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new HeadwaterError('invalid', 'metadata.yaml is no UTF-8 text', { cause: error });
  }
}
