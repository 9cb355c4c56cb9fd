import { HeadwaterError } from '../errors.ts';

/**
 * Checks why a version is withdrawn, in the words of an operator.
 * @throws HeadwaterError `invalid`
 */
export function parseReason(text: string): string {
  const reason = text.trim();
  if (reason !== '' && reason.length <= 500 && !/\p{Cc}/u.test(reason)) return reason;
  throw new HeadwaterError('invalid', 'withdraw: give the reason, in 1 to 500 characters on one line', {
    fields: ['withdraw'],
  });
}
