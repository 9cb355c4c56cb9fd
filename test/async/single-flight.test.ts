import { expect, test } from 'vitest';
import { SingleFlight } from '../../src/async/single-flight.ts';

/** Work that ends when the test says so. */
function work() {
  let started = 0;
  let end: (result: string) => void = () => undefined;
  let fail: (error: Error) => void = () => undefined;
  const start = () => {
    started++;
    return new Promise<string>((resolve, reject) => {
      end = resolve;
      fail = reject;
    });
  };
  return {
    start,
    end: (result: string) => end(result),
    fail: (error: Error) => fail(error),
    started: () => started,
  };
}

test('callers that ask for the same share the work and its result', async () => {
  const flights = new SingleFlight<string, string>();
  const { start, end, started } = work();
  const asked = [flights.do('a', start), flights.do('a', start), flights.do('a', start)];
  expect(await flights.do('b', async () => 'other')).toBe('other');
  end('done');
  expect(await Promise.all(asked)).toEqual(['done', 'done', 'done']);
  expect(started()).toBe(1);
  expect(flights.running('a')).toBeUndefined();
});

test('a failure is that of everybody who asked, and is not remembered', async () => {
  const flights = new SingleFlight<string, string>();
  const { start, fail } = work();
  const asked = [flights.do('a', start), flights.do('a', start)].map((each) =>
    expect(each).rejects.toThrow('broken'),
  );
  fail(new Error('broken'));
  await Promise.all(asked);
  expect(await flights.do('a', async () => 'mended')).toBe('mended');
});

test('a result is shared for as long as it is said to last', async () => {
  const flights = new SingleFlight<string, string>();
  const { start, end } = work();
  let land: () => void = () => undefined;
  const lasting = new Promise<void>((resolve) => {
    land = resolve;
  });
  const first = flights.do('a', start, () => lasting);
  end('first');
  expect(await first).toBe('first');
  expect(await flights.do('a', async () => 'second')).toBe('first');
  land();
  await new Promise((resolve) => setImmediate(resolve));
  expect(await flights.do('a', async () => 'second')).toBe('second');
});
