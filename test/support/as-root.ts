const isRoot = process.getuid?.() === 0;

/**
 * Whether tests that mount a file system have to be skipped, for `test.skipIf`: only root may mount.
 * @throws Error instead where REQUIRE_ALL_TESTS is 1
 */
export function rootIsMissing(): boolean {
  if (!isRoot && process.env['REQUIRE_ALL_TESTS'] === '1') {
    throw new Error('these tests mount a file system: run them as root');
  }
  return !isRoot;
}
