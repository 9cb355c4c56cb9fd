/** What a run skipped, and how to run it, for people; empty when nothing was. @param notes what tests noted */
export function describeSkipped(notes: string): string {
  const missing = [...new Set(notes.split('\n').filter((line) => line !== ''))].sort();
  const wanted = missing.filter((name) => name !== 'root');
  const lines: string[] = [];
  if (wanted.length > 0) {
    lines.push(
      `Some tests were skipped, for lack of: ${wanted.join(', ')}.`,
      `To run them too: sudo apt-get install ${wanted.join(' ')}`,
    );
    if (wanted.includes('incus-extra')) lines.push('(On Debian 12, incus-extra is in bookworm-backports.)');
  }
  if (missing.includes('root')) lines.push('Tests that mount file systems were skipped: run them as root.');
  return lines.join('\n');
}
