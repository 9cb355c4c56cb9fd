/** Bytes for people: `98.5 MiB`. */
export function humanSize(bytes: number): string {
  let value = bytes;
  for (const unit of ['B', 'KiB', 'MiB', 'GiB']) {
    // 1023.96 would be written as 1024.0.
    if (value < 1023.95) return `${unit === 'B' ? value : value.toFixed(1)} ${unit}`;
    value /= 1024;
  }
  return `${value.toFixed(1)} TiB`;
}

/** A time for people, in UTC like the serials: `2026-01-31 05:24`. */
export function humanTime(date: Date): string {
  return date.toISOString().slice(0, 16).replace('T', ' ');
}

/** A remaining time for people: `8s`, `3m20s`, `1h05m`. */
export function humanDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '-';
  const rounded = Math.max(0, Math.round(seconds));
  const [hours, minutes, rest] = [Math.floor(rounded / 3600), Math.floor(rounded / 60) % 60, rounded % 60];
  const two = (number: number) => String(number).padStart(2, '0');
  if (hours > 0) return `${hours}h${two(minutes)}m`;
  return minutes > 0 ? `${minutes}m${two(rest)}s` : `${rest}s`;
}
