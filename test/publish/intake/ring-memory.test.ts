import { hash } from 'node:crypto';
import { expect, onTestFinished, test, vi } from 'vitest';
import { Intake } from '../../../src/publish/intake/intake.ts';
import { giveBackRingMemory, takeRingMemory } from '../../../src/publish/intake/ring-memory.ts';
import { file, packTar, rootEntries } from '../../image/fixtures.ts';
import { scratchDirectory } from '../../support/catalog.ts';

const mebibyte = 1024 * 1024;

test('a hundred files that are examined or given up share the memory of a few', async () => {
  const allocated: number[] = [];
  const Original = SharedArrayBuffer;
  vi.stubGlobal(
    'SharedArrayBuffer',
    class extends Original {
      constructor(length: number) {
        super(length);
        allocated.push(length);
      }
    },
  );
  onTestFinished(() => void vi.unstubAllGlobals());
  const directory = await scratchDirectory();
  const intake = new Intake({ count: 4, memory: 512 * mebibyte, timeout: 60_000, directory });
  onTestFinished(() => intake.close());
  for (let round = 0; round < 100; round++) {
    const noise = Buffer.alloc(700_000, `round ${round}`);
    const bytes = await packTar([...rootEntries, file('noise', noise)]);
    async function* source() {
      yield bytes.subarray(0, 400_000);
      if (round % 3 === 1) throw new Error('the sender left');
      yield bytes.subarray(400_000);
    }
    const passage = intake.pass(source(), { client: 'test', metadata: Buffer.from('metadata') });
    const pass = async () => {
      for await (const _ of passage.bytes) if (round % 3 === 2) break;
    };
    if (round % 3 === 1) await expect(pass()).rejects.toThrow('the sender left');
    else await pass();
    // Memory that is used again has the bytes of this file, not of another one.
    if (round % 3 === 0) expect((await passage.examined).digest).toBe(hash('sha256', bytes));
  }
  expect(allocated.filter((length) => length >= mebibyte).length).toBeLessThanOrEqual(2);
});

test('no more is kept than a few files need', () => {
  const memories = Array.from({ length: 20 }, () => takeRingMemory(8 * mebibyte));
  expect(new Set(memories).size).toBe(20);
  for (const memory of memories) giveBackRingMemory(memory);
  const again = Array.from({ length: 20 }, () => takeRingMemory(8 * mebibyte));
  expect(again.filter((memory) => memories.includes(memory)).length).toBeLessThanOrEqual(5);
});
