import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { ChildServer } from '../../support/child-server.ts';
import { attempt, run } from '../../support/command.ts';
import { lacks, rootIsMissing } from '../../support/needs.ts';

const polled = { timeout: 20_000, interval: 100 };

/** A host of a network of its own, an IPv6 /64, with several addresses. */
class Host {
  /** Where this machine is for it. */
  readonly server: string;
  readonly addresses: string[];
  readonly #space: string;

  private constructor(space: string, network: string) {
    this.#space = space;
    this.server = `${network}::1`;
    this.addresses = ['11', '12', '13', '14'].map((end) => `${network}::${end}`);
  }

  /** Makes one, which ends with the test. */
  static async make(index: number): Promise<Host> {
    const name = `hwn${process.pid}${index}`;
    const network = `fd${(process.pid % 256).toString(16).padStart(2, '0')}:4877:${(process.pid >> 8).toString(16)}:${index}`;
    const host = new Host(name, network);
    onTestFinished(async () => {
      await attempt('ip', ['netns', 'del', name]);
      await attempt('ip', ['link', 'del', `${name}o`]);
    });
    await run('ip', ['netns', 'add', name]);
    const peer = ['peer', 'name', `${name}i`, 'netns', name];
    await run('ip', ['link', 'add', `${name}o`, 'type', 'veth', ...peer]);
    await run('ip', ['address', 'add', `${host.server}/64`, 'dev', `${name}o`, 'nodad']);
    await run('ip', ['link', 'set', `${name}o`, 'up']);
    for (const address of host.addresses) {
      await run('ip', ['-n', name, 'address', 'add', `${address}/64`, 'dev', `${name}i`, 'nodad']);
    }
    await run('ip', ['-n', name, 'link', 'set', `${name}i`, 'up']);
    return host;
  }

  /** Opens a connection from each of these addresses in turn, and keeps it. @returns what became of each; what ends them */
  async connect(port: number, from: string[]): Promise<{ answers: string[]; end: () => Promise<void> }> {
    const child = spawn(
      'ip',
      ['netns', 'exec', this.#space, process.execPath, '-e', connecting, this.server, String(port), ...from],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    const closed = once(child, 'close');
    const end = async () => {
      child.stdin.end();
      await closed;
    };
    onTestFinished(end);
    return { answers: JSON.parse(await firstLine(child)) as string[], end };
  }

  /** Asks once for the health of the server, from one of its addresses. */
  async ask(port: number, from: string): Promise<string | undefined> {
    const { answers, end } = await this.connect(port, [from]);
    await end();
    return answers[0];
  }
}

async function firstLine({ stdout }: ChildProcess): Promise<string> {
  if (stdout === null) throw new Error('nothing is read from the program');
  for await (const line of createInterface({ input: stdout })) return line;
  return '[]';
}

/** Runs in the network of a host. */
const connecting = `
  const { connect } = require('node:tls');
  const [host, port, ...addresses] = process.argv.slice(1);
  (async () => {
    const answers = [];
    for (const localAddress of addresses) {
      const socket = connect({ host, port, localAddress, rejectUnauthorized: false });
      answers.push(await new Promise((resolve) => {
        socket.on('error', () => undefined).on('close', () => resolve('closed'));
        socket.on('data', (data) => resolve(/ (\\d+) /.exec(data)[1]));
        socket.write('GET /healthz HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n');
      }));
    }
    console.log(JSON.stringify(answers));
    process.stdin.on('end', () => process.exit()).resume();
  })();
`;

test.skipIf(lacks('ip') || rootIsMissing())(
  'all addresses of an IPv6 network have one share of connections, and another network has its own',
  async () => {
    const hosts = [await Host.make(1), await Host.make(2)] as const;
    const [noisy, quiet] = hosts;
    const server = await ChildServer.start([
      'listen.address=::',
      'limits.connectionsPerAddress=5',
      'log.format=json',
    ]);
    const [one = '', two = '', three = '', four = ''] = noisy.addresses;
    const { answers, end } = await noisy.connect(server.port, [one, two, three, one, two, three, four]);
    expect(answers).toEqual(['200', '200', '200', '200', '200', 'closed', 'closed']);
    expect(await noisy.ask(server.port, four)).toBe('closed');
    for (const address of quiet.addresses) expect(await quiet.ask(server.port, address)).toBe('200');
    expect(await server.metric('headwater_refused_total{limit="connectionsPerAddress"}')).toBe(3);
    await expect.poll(() => server.log, polled).toMatch(new RegExp(`"connectionsPerAddress",.*"${three}"`));
    await end();
    await expect.poll(() => noisy.ask(server.port, four), polled).toBe('200');
  },
  60_000,
);
