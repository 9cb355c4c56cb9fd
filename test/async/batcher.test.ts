import { expect, test } from 'vitest';
import { Batcher, type BatcherOptions } from '../../src/async/batcher.ts';

const nextTick = () => new Promise((resolve) => setImmediate(resolve));

/** A batcher that notes its batches, each of which ends when the test says so. */
function noted(options: BatcherOptions = {}) {
  const batches: number[][] = [];
  const ends: (() => void)[] = [];
  const batcher = new Batcher<number, number>(async (take) => {
    const batch = take();
    batches.push(batch);
    await new Promise<void>((resolve) => ends.push(resolve));
    return batch.map((number) => (number < 0 ? { error: new Error('negative') } : { result: number * 2 }));
  }, options);
  return { batcher, batches, end: (index: number) => ends[index]?.() };
}

test('requests of the same tick are handled together, and each gets its own outcome', async () => {
  const { batcher, batches, end } = noted();
  const outcomes = Promise.allSettled([batcher.do(1), batcher.do(-1), batcher.do(3)]);
  await nextTick();
  end(0);
  expect(await outcomes).toEqual([
    { status: 'fulfilled', value: 2 },
    { status: 'rejected', reason: new Error('negative') },
    { status: 'fulfilled', value: 6 },
  ]);
  expect(batches).toEqual([[1, -1, 3]]);
});

test('requests join a batch until it takes them', async () => {
  let open: () => void = () => undefined;
  const turn = new Promise<void>((resolve) => {
    open = resolve;
  });
  const batches: number[][] = [];
  const batcher = new Batcher<number, number>(async (take) => {
    await turn;
    const batch = take();
    batches.push(batch);
    return batch.map((result) => ({ result }));
  });
  const first = batcher.do(1);
  await nextTick();
  const second = batcher.do(2);
  open();
  expect(await Promise.all([first, second])).toEqual([1, 2]);
  expect(batches).toEqual([[1, 2]]);
});

test('batches overlap, unless they are to be one at a time', async () => {
  for (const oneAtATime of [false, true]) {
    const { batcher, batches, end } = noted({ oneAtATime });
    const first = batcher.do(1);
    await nextTick();
    const second = batcher.do(2);
    await nextTick();
    expect(batches).toEqual(oneAtATime ? [[1]] : [[1], [2]]);
    end(0);
    await first;
    await nextTick();
    end(1);
    expect(await second).toBe(4);
  }
});

test('no batch is larger than allowed, and nobody is forgotten', async () => {
  const { batcher, batches, end } = noted({ maxRequests: 2 });
  const all = Promise.all([1, 2, 3, 4, 5].map((number) => batcher.do(number)));
  for (let index = 0; index < 3; index++) {
    await nextTick();
    end(index);
  }
  expect(await all).toEqual([2, 4, 6, 8, 10]);
  expect(batches).toEqual([[1, 2], [3, 4], [5]]);
});

test('after a large batch the next one waits for more', async () => {
  const { batcher, batches, end } = noted({ linger: { afterRequests: 2, milliseconds: 200 } });
  const first = Promise.all([batcher.do(1), batcher.do(2)]);
  await nextTick();
  end(0);
  await first;
  const third = batcher.do(3);
  await nextTick();
  expect(batches).toHaveLength(1);
  while (batches.length < 2) await nextTick();
  end(1);
  expect(await third).toBe(6);
});

test('when a whole batch fails, all that wait are told, and later requests are handled', async () => {
  let isBroken = true;
  const batcher = new Batcher<number, number>(async (take) => {
    if (isBroken) throw new Error('no disk');
    return take().map((result) => ({ result }));
  });
  const refused = [1, 2].map((number) => expect(batcher.do(number)).rejects.toThrow('no disk'));
  await Promise.all(refused);
  isBroken = false;
  expect(await batcher.do(3)).toBe(3);
});
