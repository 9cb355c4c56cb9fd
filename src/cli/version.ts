import { existsSync, readFileSync } from 'node:fs';

/** The version of Headwater, such as `0.1.0`. */
export const version = readVersion();

function readVersion(): string {
  // From dist/ when built, from src/cli/ under a test runner.
  const places = ['../package.json', '../../package.json'].map((path) => new URL(path, import.meta.url));
  const place = places.find((path) => existsSync(path));
  if (place === undefined) throw new Error('package.json is not where it was installed');
  return (JSON.parse(readFileSync(place, 'utf8')) as { version: string }).version;
}
