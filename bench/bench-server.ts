import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { program } from '../test/e2e/headwater.ts';

/** The built server, on a port of its own. */
export class BenchServer {
  readonly child: ChildProcess;
  readonly url: string;
  /** From the start of the process to its first answer that it is ready. */
  readonly startSeconds: number;
  readonly #dispatcher: Agent;

  private constructor(child: ChildProcess, url: string, startSeconds: number, dispatcher: Agent) {
    this.child = child;
    this.url = url;
    this.startSeconds = startSeconds;
    this.#dispatcher = dispatcher;
  }

  /** @throws Error when somebody else listens on the port: their numbers would pass for ours */
  static async start(
    data: string,
    settings: string[] = [],
    port = 18443,
    environment: Record<string, string> = {},
  ): Promise<BenchServer> {
    await assertFree(port);
    const dispatcher = new Agent({ connect: { rejectUnauthorized: false } });
    const url = `https://127.0.0.1:${port}`;
    const started = performance.now();
    const all = [`listen.port=${port}`, 'listen.address=127.0.0.1', ...settings];
    const child = spawn(
      process.execPath,
      [program, 'serve', '--data-dir', data, ...all.flatMap((setting) => ['--set', setting])],
      {
        stdio: 'ignore',
        env: { ...process.env, ...environment },
      },
    );
    for (let ready = false; !ready; ) {
      ready = await answers(`${url}/readyz`, dispatcher);
      if (child.exitCode !== null) throw new Error(`the server ended with exit code ${child.exitCode}`);
      if (!ready) await sleep(5);
    }
    return new BenchServer(child, url, (performance.now() - started) / 1000, dispatcher);
  }

  async get(path: string): Promise<Buffer> {
    const { body } = await request(this.url + path, { dispatcher: this.#dispatcher });
    return Buffer.from(await body.arrayBuffer());
  }

  async stop(): Promise<void> {
    await this.#dispatcher.close();
    await endChild(this.child);
  }
}

/** Ends a process, or finds that it has ended by itself: then it emits `exit` no more. */
export async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await ended;
}

async function assertFree(port: number): Promise<void> {
  const probe = createServer();
  probe.listen(port, '127.0.0.1');
  await once(probe, 'listening').catch((error: unknown) => {
    throw new Error(`port ${port} is taken: end what listens there first`, { cause: error });
  });
  probe.close();
  await once(probe, 'close');
}

async function answers(url: string, dispatcher: Agent): Promise<boolean> {
  try {
    const { statusCode, body } = await request(url, { dispatcher });
    await body.dump();
    return statusCode === 200;
  } catch {
    return false;
  }
}
