import { Worker } from 'node:worker_threads';
import { HeadwaterError, messageOf } from '../../../errors.ts';
import type { SignerSource } from '../../../keys/open-signer.ts';
import type {
  Answers,
  ClearSigned,
  FromSigningThread,
  Question,
  ToSigningThread,
} from './signing-messages.ts';

interface Waiting {
  resolve: (answer: Answers[keyof Answers]) => void;
  reject: (error: unknown) => void;
}

/** A thread that signs. If it ends unexpectedly, the next request starts another one. */
export class SigningThread {
  #source: SignerSource;
  #worker: Worker | undefined;
  #opened: Promise<unknown> = Promise.resolve();
  readonly #program: URL;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #isClosed = false;

  private constructor(source: SignerSource, program: URL) {
    this.#source = source;
    this.#program = program;
  }

  /**
   * Starts a thread and opens the key.
   * @param program the program of the thread, if not `signing-worker.ts`
   * @throws HeadwaterError `invalid` if the key or its passphrase is unusable
   */
  static async start(source: SignerSource, program = workerFile()): Promise<SigningThread> {
    const thread = new SigningThread(source, program);
    try {
      await thread.#ready();
      return thread;
    } catch (error) {
      await thread.close();
      throw error;
    }
  }

  /** Changes the key. @throws HeadwaterError `invalid` if the key is unusable; the previous key remains in use */
  async use(source: SignerSource): Promise<void> {
    await this.#ready();
    await this.#ask({ type: 'open', source }, []);
    this.#source = source;
  }

  /** A detached signature. @param bytes transferred to the thread: the caller cannot use them afterwards */
  async detached(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
    await this.#ready();
    const answer = await this.#ask({ type: 'detached', bytes }, [bytes.buffer]);
    if (!(answer instanceof Uint8Array)) throw new Error('the thread that signs answered with no signature');
    return answer;
  }

  /** A detached signature of a stream's bytes, which are read once. @param stream transferred to the thread */
  async detachedFrom(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
    await this.#ready();
    const answer = await this.#ask({ type: 'detached-from', stream }, [stream]);
    if (!(answer instanceof Uint8Array)) throw new Error('the thread that signs answered with no signature');
    return answer;
  }

  /** A clear-signed document. @param json transferred to the thread: the caller cannot use it afterwards */
  async clear(json: Uint8Array<ArrayBuffer>): Promise<ClearSigned> {
    await this.#ready();
    const answer = await this.#ask({ type: 'clear', json }, [json.buffer]);
    if (answer === true || answer instanceof Uint8Array) {
      throw new Error('the thread that signs answered with no document');
    }
    const { segment, ...rest } = answer;
    const { plain, deflated, crc, hash } = segment;
    return {
      ...rest,
      segment: { plain: asBuffer(plain), deflated: asBuffer(deflated), crc, hash: asBuffer(hash) },
    };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#worker?.terminate();
  }

  /** Starts the thread if it is not running, and waits until the key is open. */
  async #ready(): Promise<void> {
    if (this.#isClosed) throw new HeadwaterError('unavailable', 'the server is stopping');
    if (this.#worker === undefined) {
      const worker = new Worker(this.#program, { name: 'signing' });
      worker.unref();
      worker.on('message', (message: FromSigningThread) => this.#hear(message));
      worker.on('error', (error: unknown) => this.#end(worker, messageOf(error)));
      worker.on('exit', (code) => this.#end(worker, `exit code ${code}`));
      this.#worker = worker;
      this.#opened = this.#ask({ type: 'open', source: this.#source }, []);
    }
    await this.#opened;
  }

  async #ask(
    question: Question,
    handedOver: (ArrayBuffer | ReadableStream)[],
  ): Promise<Answers[keyof Answers]> {
    const worker = this.#worker;
    if (worker === undefined) throw new HeadwaterError('unavailable', 'the thread that signs has ended');
    const id = ++this.#lastId;
    return await new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      worker.postMessage({ id, question } satisfies ToSigningThread, handedOver);
      worker.ref();
    });
  }

  #hear(message: FromSigningThread): void {
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    // An idle thread must not keep the process running.
    if (this.#waiting.size === 0) this.#worker?.unref();
    if ('answer' in message) waiting?.resolve(message.answer);
    else {
      const { kind, message: text } = message.failure;
      waiting?.reject(kind === undefined ? new Error(text) : new HeadwaterError(kind, text));
    }
  }

  #end(worker: Worker, reason: string): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    const error = new HeadwaterError('unavailable', `the thread that signs has ended: ${reason}`);
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

// Under a test runner this module is TypeScript, which a worker thread cannot load: the built file stands in for it.
function workerFile(): URL {
  const built = import.meta.url.endsWith('.ts')
    ? '../../../../dist/signing-worker.js'
    : './signing-worker.js';
  return new URL(built, import.meta.url);
}
