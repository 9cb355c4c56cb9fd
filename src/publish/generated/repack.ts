import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { HeadwaterError, messageOf, quotable } from '../../errors.ts';
import type { Compression } from '../../image/content.ts';

/** The largest part of the messages of the process that an error quotes, in characters. */
const maxMessageLength = 500;
/** V8's memory for the process, in MiB. */
const heapSize = 512;

/**
 * The same tarball, compressed with xz or gzip, by a process of low priority (`repack-program.ts`). The process ends when
 * the reader stops.
 * @param source the bytes, destroyed at the end
 * @throws HeadwaterError `invalid` when the process fails; the error of the source
 */
export async function* repack(
  source: Readable,
  compression: Compression,
  target: 'xz' | 'gzip',
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const child = start([compression, target], signal);
  let broken: unknown;
  source.once('error', (error) => {
    broken = error;
    child.kill('SIGKILL');
  });
  source.pipe(child.stdin);
  try {
    yield* outputOf(child, `the root could not be compressed with ${target}`, () => broken);
  } finally {
    source.destroy();
  }
}

/**
 * One gzip tarball of the layers of an OCI image, made by such a process.
 * @param paths of the layers, the lowest one first
 * @throws HeadwaterError `invalid` when the process fails
 */
export async function* flattenLayers(
  paths: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const child = start(['layers', 'gzip', ...paths], signal);
  child.stdin.end();
  yield* outputOf(child, 'the layers could not be combined');
}

function start(args: readonly string[], signal: AbortSignal): ChildProcessWithoutNullStreams {
  const child = spawn(process.execPath, [`--max-old-space-size=${heapSize}`, program(), ...args], {
    signal,
    killSignal: 'SIGKILL',
  });
  // Its end explains why a process stops reading.
  child.stdin.on('error', () => undefined);
  return child;
}

/** @param failed what the message of a failure begins with. @param broken the failure of the source, if it failed */
async function* outputOf(
  child: ChildProcessWithoutNullStreams,
  failed: string,
  broken: () => unknown = () => undefined,
): AsyncGenerator<Uint8Array> {
  const ended = new Promise<string | undefined>((resolve) => {
    child.once('error', (error) => resolve(messageOf(error)));
    child.once('close', (code, by) => resolve(code === 0 ? undefined : `exit code ${code ?? by}`));
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(0, maxMessageLength);
  });
  try {
    yield* child.stdout;
    const problem = await ended;
    if (broken() !== undefined) throw broken();
    if (problem !== undefined) throw new HeadwaterError('invalid', `${failed}: ${quotable(said) || problem}`);
  } finally {
    if (child.exitCode === null && child.signalCode === null && child.kill('SIGKILL'))
      await once(child, 'close');
  }
}

// Under a test runner this module is TypeScript: the built file stands in for it.
function program(): string {
  const built = import.meta.url.endsWith('.ts') ? '../../../dist/repack-program.js' : './repack-program.js';
  return fileURLToPath(new URL(built, import.meta.url));
}
