import { afterEach, beforeEach, expect, test, vi } from 'vitest';
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
    { limit: 'connectionsPerAddress', remote: '192.0.2.1' },
    { limit: 'sendTimeout', remote: '192.0.2.1' },
  ]);
  expect(counts).toEqual({ connectionsPerAddress: 5, sendTimeout: 1 });
  vi.advanceTimersByTime(60_000);
  expect(lines.at(-1)).toEqual({ more: { connectionsPerAddress: 4 } });
  sink.note('connectionsPerAddress', '192.0.2.1');
  expect(lines.at(-1)).toEqual({ limit: 'connectionsPerAddress', remote: '192.0.2.1' });
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
