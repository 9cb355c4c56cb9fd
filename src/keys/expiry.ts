const day = 86_400_000;

/** Days before the expiry of a key at which the log has a warning. */
const warnedBefore = [90, 30, 7];

/**
 * The warning that a key expires soon or has expired.
 * @returns the text, and a level that rises with each threshold; undefined for a key that is valid for longer
 */
export function expiryWarning(
  expiresAt: Date | undefined,
  now = new Date(),
): { level: number; text: string } | undefined {
  if (expiresAt === undefined) return undefined;
  const left = expiresAt.getTime() - now.getTime();
  const date = expiresAt.toISOString().slice(0, 10);
  const advice = 'create its successor with "headwater key rotate"';
  if (left <= 0) {
    return {
      level: warnedBefore.length + 1,
      text: `the signing key expired on ${date}: clients refuse its signatures; ${advice} --switch, and give clients the new public key`,
    };
  }
  const level = warnedBefore.filter((days) => left <= days * day).length;
  if (level === 0) return undefined;
  const days = Math.ceil(left / day);
  return {
    level,
    text: `the signing key expires on ${date}, in ${days} ${days === 1 ? 'day' : 'days'}: ${advice}`,
  };
}
