import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HeadwaterError } from '../../errors.ts';
import type { LiblzmaOptions } from '../../image/compression/xz/liblzma.ts';
import type { UnpackerRequest } from '../intake/intake-messages.ts';

/**
 * The part in a thread of the processes that unpack for it (`unpacking-processes.ts` is the part in the main thread).
 */
export class Unpackers {
  readonly #request: (request: UnpackerRequest) => void;
  readonly #onEnded = new Map<number, (reason: string) => void>();
  #last = 0;

  /** @param request asks the main thread for a process */
  constructor(request: (request: UnpackerRequest) => void) {
    this.#request = request;
  }

  /** A process that unpacks, once it has connected. @throws HeadwaterError `unavailable` when it cannot be started */
  async connect(options: LiblzmaOptions): Promise<Socket> {
    const directory = await mkdtemp(join(tmpdir(), 'headwater-unpack-'));
    const server = createServer({ allowHalfOpen: true });
    const unpacker = ++this.#last;
    const path = join(directory, 'socket');
    try {
      return await new Promise<Socket>((resolve, reject) => {
        server.once('connection', resolve);
        server.once('error', reject);
        this.#onEnded.set(unpacker, (reason) =>
          reject(
            new HeadwaterError('unavailable', `no process can be started to unpack the file: ${reason}`),
          ),
        );
        server.listen(path, () => this.#request({ type: 'unpacker', job: 0, unpacker, path, options }));
      });
    } finally {
      this.#onEnded.delete(unpacker);
      server.close();
      await rm(directory, { recursive: true, force: true });
    }
  }

  /** Before it has connected, this is a failure; later, its socket shows its end. */
  ended({ unpacker, reason }: { unpacker: number; reason: string }): void {
    this.#onEnded.get(unpacker)?.(reason);
  }
}
