/** How often `lastUsedAt` is written at most, in milliseconds: a busy token must not mean a write per request. */
export const lastUsedPrecision = 60_000;
