// Parses and formats sizes and durations.

const sizeUnits: Record<string, number> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

const durationUnits: Record<string, number> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** Bytes of a size such as `64GiB`, `1.5 GB` or `4096`; undefined if it is invalid, or not a whole number of bytes. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?) ?([a-z]*)$/i.exec(text.trim());
  const [, digits = '', unit = ''] = match ?? [];
  const factor = sizeUnits[unit.toLowerCase() || 'b'];
  if (match === null || factor === undefined) return undefined;
  const bytes = Number(digits) * factor;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** Milliseconds of a duration such as `6h`, `30s` or `1h30m`; undefined if it is invalid. A unit is required. */
export function parseDuration(text: string): number | undefined {
  const compact = text.trim();
  if (!/^(\d+(ms|s|m|h|d))+$/.test(compact)) return undefined;
  let milliseconds = 0;
  for (const [, digits, unit = ''] of compact.matchAll(/(\d+)(ms|s|m|h|d)/g)) {
    milliseconds += Number(digits) * (durationUnits[unit] ?? Number.NaN);
  }
  return Number.isSafeInteger(milliseconds) ? milliseconds : undefined;
}

/** Formats a size exactly, for {@link parseSize}: `64GiB`, `1500`. */
export function writeSize(bytes: number): string {
  for (const unit of ['TiB', 'GiB', 'MiB', 'KiB']) {
    const factor = sizeUnits[unit.toLowerCase()] ?? 1;
    if (bytes >= factor && bytes % factor === 0) return `${bytes / factor}${unit}`;
  }
  return String(bytes);
}

/** Formats a duration exactly, for {@link parseDuration}: `6h`, `1h30m`. */
export function writeDuration(milliseconds: number): string {
  if (milliseconds === 0) return '0s';
  let rest = milliseconds;
  let text = '';
  for (const unit of ['d', 'h', 'm', 's', 'ms']) {
    const factor = durationUnits[unit] ?? 1;
    if (rest >= factor) {
      text += `${Math.floor(rest / factor)}${unit}`;
      rest %= factor;
    }
  }
  return text;
}
