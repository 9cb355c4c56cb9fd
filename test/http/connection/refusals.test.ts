import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { HeadwaterError, LimitError } from '../../../src/errors.ts';
import { Refusals, refusalReasons } from '../../../src/http/connection/refusals.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function refusals() {
  const lines: object[] = [];
  const counts: Record<string, number> = {};
  const sink = new Refusals({
    log: (details) => lines.push(details),
    count: (reason) => {
      counts[reason] = (counts[reason] ?? 0) + 1;
    },
  });
  return { sink, lines, counts };
}

test('a refusal is logged with the address, once a minute for each limit, and always counted', () => {
  const { sink, lines, counts } = refusals();
  for (let count = 0; count < 5; count++) sink.note('connectionsPerAddress', '192.0.2.1');
  sink.note('sendTimeout', '192.0.2.1');
  expect(lines).toEqual([
    { limit: 'connectionsPerAddress', setting: 'limits.connectionsPerAddress', remote: '192.0.2.1' },
    { limit: 'sendTimeout', setting: 'limits.sendTimeout', remote: '192.0.2.1' },
  ]);
  expect(counts).toEqual({ connectionsPerAddress: 5, sendTimeout: 1 });
  vi.advanceTimersByTime(60_000);
  expect(lines.at(-1)).toEqual({ more: { connectionsPerAddress: 4 } });
  sink.note('connectionsPerAddress', '192.0.2.1');
  expect(lines.at(-1)).toMatchObject({ limit: 'connectionsPerAddress', remote: '192.0.2.1' });
});

test('a hundred thousand refusals from as many addresses are a few lines', () => {
  const { sink, lines, counts } = refusals();
  for (let count = 0; count < 100_000; count++)
    sink.note('connections', `10.${count >> 16}.${(count >> 8) & 255}.${count & 255}`);
  sink.close();
  expect(lines).toHaveLength(21);
  expect(lines.at(-1)).toEqual({ more: { connections: 99_980 } });
  expect(counts).toEqual({ connections: 100_000 });
  expect(refusalReasons).toContain('connections');
});

test('the refusal that caused an error is noted with the client, once', () => {
  const { sink, lines, counts } = refusals();
  const cause = new LimitError('entryQuota', 'too-large', 'no room');
  const error = new HeadwaterError('too-large', 'image: no room', { cause });
  for (const each of [error, cause, new HeadwaterError('too-large', 'no limit')])
    sink.noteError(each, '192.0.2.1', 'token:ci');
  expect(counts).toEqual({ entryQuota: 1 });
  expect(lines).toEqual([
    { limit: 'entryQuota', setting: 'registry.entryQuota', remote: '192.0.2.1', client: 'token:ci' },
  ]);
});
