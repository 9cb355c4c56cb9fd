import { hash } from 'node:crypto';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Intake, maxFileInMemory } from '../../../src/publish/intake/intake.ts';
import type { IntakeOptions, PassOptions } from '../../../src/publish/intake/intake-types.ts';
import { file, packTar, rootEntries } from '../../image/fixtures.ts';
import { packers, tool } from '../../image/tools.ts';
import { scratchDirectory } from '../../support/catalog.ts';

const mebibyte = 1024 * 1024;

async function open(options: Partial<IntakeOptions> = {}): Promise<Intake & { directory: string }> {
  const directory = await scratchDirectory();
  const intake = new Intake({ count: 4, memory: 512 * mebibyte, timeout: 60_000, directory, ...options });
  onTestFinished(() => intake.close());
  return Object.assign(intake, { directory });
}

/** A sender that gives its bytes up to a place, and the rest when it is told to go on. */
class Sender {
  readonly #bytes: Uint8Array;
  readonly #stop: number;
  #goOn: () => void = () => undefined;
  readonly #told = new Promise<void>((resolve) => {
    this.#goOn = resolve;
  });
  hasStopped = false;

  constructor(bytes: Uint8Array, stop: number) {
    this.#bytes = bytes;
    this.#stop = stop;
  }

  goOn(): void {
    this.#goOn();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    yield this.#bytes.subarray(0, this.#stop);
    this.hasStopped = true;
    await this.#told;
    yield this.#bytes.subarray(this.#stop);
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** Passes bytes and tells what they were, and that all of them came out. */
async function pass(intake: Intake, source: AsyncIterable<Uint8Array>, options: PassOptions) {
  const { bytes, examined } = intake.pass(source, options);
  let size = 0;
  for await (const chunk of bytes) size += chunk.length;
  return { ...(await examined), passed: size };
}

const root = await packTar([...rootEntries, file('noise', Buffer.alloc(700_000, 'noise and more'))]);

describe('files that arrive', () => {
  test('hold few threads and little memory while their senders stall, and all are taken in the end', async () => {
    const intake = await open({ count: 8 });
    const packed = tool(
      'zstd',
      ['-q', '-c', '-1', '--long=27', '--no-check'],
      Buffer.concat([root, Buffer.alloc(mebibyte)]),
    );
    const padded = Buffer.concat([
      packed,
      Buffer.from([0x50, 0x2a, 0x4d, 0x18, 0, 0, 8, 0]),
      Buffer.alloc(512 * 1024),
    ]);
    const senders = Array.from({ length: 29 }, () => new Sender(padded, padded.length - 1000));
    const passing = senders.map((sender) => pass(intake, sender, { client: 'one' }));
    await expect.poll(() => senders.every(({ hasStopped }) => hasStopped), { timeout: 60_000 }).toBe(true);
    // A window of 128 MiB: one at a time has half of the memory.
    expect(intake.load.running).toBe(1);
    const other = await pass(intake, once(root), { client: 'other' });
    expect(other).toMatchObject({ content: { kind: 'rootfs-tarball' }, passed: root.length });
    for (const sender of senders) sender.goOn();
    const digest = hash('sha256', padded);
    for (const taken of await Promise.all(passing)) {
      expect(taken).toMatchObject({ digest, passed: padded.length, content: { compression: 'zstd' } });
    }
    expect(intake.load).toEqual({ running: 0, waiting: 0 });
    expect(await readdir(intake.directory)).toEqual([]);
  }, 120_000);

  test.each(['bzip2', 'xz', 'gzip', 'zstd', 'lzma'] as const)(
    'and wait on the disk are what they are when they do not (%s)',
    async (compression) => {
      const intake = await open({ count: 2 });
      const bytes = packers[compression](Buffer.concat([root, Buffer.alloc(1024)]));
      const metadata = Buffer.from('metadata');
      const large = Buffer.concat([bytes]);
      const options = { client: 'one', metadata, size: Math.max(large.length, maxFileInMemory + 1) };
      const direct = await pass(intake, once(large), options);
      const stalled = new Sender(root, 600_000);
      const holding = pass(intake, stalled, { client: 'one' });
      await expect.poll(() => intake.load.running).toBe(1);
      expect(await pass(intake, once(large), options)).toEqual(direct);
      const path = join(intake.directory, 'arrived');
      await writeFile(path, large);
      expect(await pass(intake, once(large), { ...options, path })).toEqual(direct);
      const into = { path: join(intake.directory, 'landing'), from: 0 };
      expect(await pass(intake, once(large), { ...options, into })).toEqual(direct);
      stalled.goOn();
      await holding;
      expect((await readdir(intake.directory)).sort()).toEqual(['arrived', 'landing']);
    },
  );

  test('whose window takes more memory than one may are refused with the name of the setting', async () => {
    const refused: unknown[] = [];
    const intake = await open({ memory: 64 * mebibyte, onRefused: (file) => refused.push(file) });
    const packed = tool(
      'zstd',
      ['-q', '-c', '-1', '--long=27'],
      Buffer.concat([root, Buffer.alloc(400_000, root)]),
    );
    const frame = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, (27 - 10) << 3]);
    const wide = Buffer.concat([frame, packed, Buffer.alloc(maxFileInMemory)]);
    await expect(pass(intake, once(wide), { client: 'one' })).rejects.toMatchObject({
      kind: 'too-large',
      message: expect.stringContaining('limits.examinationMemory'),
    });
    const [small] = await intake.take([{ bytes: wide.subarray(0, 1000) }], 'two');
    expect(small).toMatchObject({ error: { kind: 'too-large' } });
    expect(refused).toMatchObject([
      { client: 'one', limit: 'examinationMemory' },
      { client: 'two', limit: 'examinationMemory' },
    ]);
  });
});

describe('a thread', () => {
  const program = new URL('./hanging-worker.mjs', import.meta.url);
  const small = (text: string) => ({ bytes: Buffer.from(text) });

  test('that hangs or breaks is ended, its file is refused, and others that came with it are taken', async () => {
    const refused: unknown[] = [];
    const intake = await open({ program, timeout: 1000, onRefused: (file) => refused.push(file) });
    const files = ['one', 'hang', 'two', 'crash', 'three'].map(small);
    const outcomes = await intake.take(files, 'client');
    expect(outcomes.map((outcome) => ('error' in outcome ? outcome.error : 'taken'))).toEqual([
      'taken',
      expect.objectContaining({ kind: 'invalid', message: expect.stringContaining('no progress for 1 s') }),
      'taken',
      expect.objectContaining({ kind: 'invalid', message: expect.stringContaining('it broke') }),
      'taken',
    ]);
    expect(refused).toMatchObject([
      { client: 'client', limit: 'examinationTimeout' },
      { limit: 'examinationTimeout' },
    ]);
    expect(intake.load).toEqual({ running: 0, waiting: 0 });
  });

  test.each(['hang', 'crash'])('ends with its file while that arrives (%s)', async (what) => {
    const intake = await open({ program, timeout: 1000 });
    const bytes = Buffer.alloc(3 * mebibyte, what);
    await expect(pass(intake, once(bytes), { client: 'one' })).rejects.toMatchObject({ kind: 'invalid' });
    expect(intake.load).toEqual({ running: 0, waiting: 0 });
    expect(await pass(intake, once(Buffer.alloc(3 * mebibyte)), { client: 'one' })).toMatchObject({
      content: { kind: 'vcdiff' },
    });
  });

  test('that waits for its sender is not taken for one that hangs', async () => {
    const intake = await open({ program, timeout: 1000 });
    const sender = new Sender(Buffer.alloc(3 * mebibyte), 2 * mebibyte + 1);
    const passing = pass(intake, sender, { client: 'one' });
    await expect.poll(() => sender.hasStopped).toBe(true);
    // A thread beside it that does hang shows that the time has passed.
    await expect(pass(intake, once(Buffer.alloc(mebibyte, 'hang')), { client: 'two' })).rejects.toThrow(
      'progress',
    );
    sender.goOn();
    expect(await passing).toMatchObject({ passed: 3 * mebibyte });
  });
});
