import { readFileSync } from 'node:fs';

/** The version of Headwater, such as `0.1.0`. */
export const version = readVersion();

function readVersion(): string {
  // From dist/ when built, from src/ under a test runner.
  const place = new URL('../package.json', import.meta.url);
  const described: { version: string } = JSON.parse(readFileSync(place, 'utf8'));
  return described.version;
}
