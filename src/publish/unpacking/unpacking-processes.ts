import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { LiblzmaOptions } from '../../image/compression/xz/liblzma.ts';

/**
 * The processes that unpack with liblzma for a thread. They are started here, in the main thread: processes that a thread
 * started and left behind would stay in the table of processes.
 */
export class UnpackingProcesses {
  readonly #running = new Set<ChildProcess>();

  /**
   * @param path the socket that it connects to
   * @param onEnded called once, with the reason if it is known
   */
  start(path: string, { format, dictionary }: LiblzmaOptions, onEnded: (reason: string) => void): void {
    const child = spawn(process.execPath, [program(), path, format, String(dictionary)], { stdio: 'ignore' });
    this.#running.add(child);
    child.unref();
    child.once('error', (error) => {
      this.#running.delete(child);
      onEnded(error.message);
    });
    child.once('exit', (code, signal) => {
      this.#running.delete(child);
      onEnded(signal === null ? `it ended with the exit code ${code}` : `it was ended by ${signal}`);
    });
  }

  kill(): void {
    for (const child of this.#running) child.kill('SIGKILL');
  }
}

// Under a test runner this module is TypeScript: the built file stands in for it.
function program(): string {
  const built = import.meta.url.endsWith('.ts') ? '../../../dist/liblzma-program.js' : './liblzma-program.js';
  return fileURLToPath(new URL(built, import.meta.url));
}
