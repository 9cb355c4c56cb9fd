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

/** A thread that signs. One that ends unexpectedly is started again for the next document. */
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
   * Starts one.
   * @param program what it runs, when that is not `signing-worker.ts`
   * @throws HeadwaterError `invalid` when the key cannot be used as it is
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

  /** Signs with another key from now on. @throws HeadwaterError `invalid`: then it goes on with the one before */
  async use(source: SignerSource): Promise<void> {
    await this.#ready();
    await this.#ask({ type: 'open', source }, []);
    this.#source = source;
  }

  /** A detached signature. @param bytes handed over: they cannot be used afterwards */
  async detached(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
    await this.#ready();
    return (await this.#ask({ type: 'detached', bytes }, [bytes.buffer])) as Answers['detached'];
  }

  /** A document, clear-signed. @param json handed over: it cannot be used afterwards */
  async clear(json: Uint8Array<ArrayBuffer>): Promise<ClearSigned> {
    await this.#ready();
    const { segment, ...rest } = (await this.#ask({ type: 'clear', json }, [
      json.buffer,
    ])) as Answers['clear'];
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

  /** Starts the thread where there is none, and waits until it can sign. */
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

  async #ask(question: Question, handedOver: ArrayBuffer[]): Promise<Answers[keyof Answers]> {
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
    // Nothing that is waited for keeps a process running that has nothing else to do.
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
