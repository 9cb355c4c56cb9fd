import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { abandonedAfter, isAbandoned, processName } from '../../src/files/process-name.ts';

const now = new Date();
const longAgo = new Date(Date.now() - abandonedAfter - 1000);

/** A name as this process makes it, with some of its fields changed. */
async function nameWith(
  change: Partial<Record<'machine' | 'boot' | 'namespace' | 'pid' | 'start', string>>,
): Promise<string> {
  const own = await processName();
  const [machine = '', boot = '', namespace = '', pid = '', rest = ''] = own.split('.');
  const start = rest.slice(0, rest.indexOf('-'));
  const made = { machine, boot, namespace, pid, start, ...change };
  const front = [made.machine, made.boot, made.namespace, made.pid, made.start].join('.');
  return front + rest.slice(rest.indexOf('-'));
}

describe('a write is abandoned', () => {
  test('never while its process lives', async () => {
    expect(await isAbandoned(await processName(), now)).toBe(false);
    expect(await isAbandoned(await processName(), longAgo)).toBe(false);
  });

  test('when its process has ended', async () => {
    const child = spawn('true');
    const { pid } = child;
    await once(child, 'exit');
    expect(await isAbandoned(await nameWith({ pid: String(pid) }), now)).toBe(true);
  });

  test('when another process has got its id since', async () => {
    expect(await isAbandoned(await nameWith({ pid: String(process.ppid) }), now)).toBe(true);
    expect(await isAbandoned(await nameWith({ start: '1' }), now)).toBe(true);
  });

  test('when its machine has been restarted', async () => {
    expect(await isAbandoned(await nameWith({ boot: '0123abcd' }), now)).toBe(true);
  });

  test.each([
    ['on another machine', { machine: '0123abcd', boot: '0123abcd' }],
    ['in another container', { namespace: '1' }],
    ['where the system does not tell', { machine: '00000000', boot: '00000000' }],
  ])('%s, only when it is old', async (_, change) => {
    expect(await isAbandoned(await nameWith(change), now)).toBe(false);
    expect(await isAbandoned(await nameWith(change), longAgo)).toBe(true);
  });

  test('never when the name is not one of ours', async () => {
    for (const name of ['', 'notes.txt', '1.2.3.4.5', `${await processName()}.bak`]) {
      expect(await isAbandoned(name, longAgo)).toBe(false);
    }
  });
});
