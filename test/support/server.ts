import { Agent, type Dispatcher } from 'undici';
import { onTestFinished } from 'vitest';
import { loadConfig, type Overrides } from '../../src/config/load.ts';
import type { Config } from '../../src/config/schema.ts';
import type { AnyDefinition } from '../../src/config/sites/any-definition.ts';
import { publish } from '../../src/publish/publisher.ts';
import type { Published, PublishRequest } from '../../src/publish/request.ts';
import { type RunningServer, startServer } from '../../src/server/start.ts';
import { openWorkspace, type Workspace } from '../../src/server/workspace.ts';
import { asTestActor, scratchDirectory } from './catalog.ts';
import { placeServerCertificate } from './certificates.ts';

/** A server in this process, on a port and a data directory of its own. */
export class TestServer {
  readonly config: Config;
  readonly server: RunningServer;
  readonly workspace: Workspace;
  /** Connections to it that trust any certificate. */
  readonly agent: Agent;

  private constructor(config: Config, server: RunningServer, workspace: Workspace, agent: Agent) {
    this.config = config;
    this.server = server;
    this.workspace = workspace;
    this.agent = agent;
  }

  /** Starts one, which ends with the test. */
  static async start(
    overrides: Overrides = {},
    mirrors: AnyDefinition[] = [],
    env: Record<string, string> = {},
  ): Promise<TestServer> {
    const dataDir = overrides.dataDir ?? (await scratchDirectory());
    const self = await TestServer.open({ ...overrides, dataDir }, mirrors, env);
    onTestFinished(() => self.close());
    return self;
  }

  /** Starts one in a directory, which ends when it is told to: for the tests of a file that share it. */
  static async open(
    overrides: Overrides & { dataDir: string },
    mirrors: AnyDefinition[] = [],
    env: Record<string, string> = {},
  ): Promise<TestServer> {
    const config = loadConfig({
      env,
      overrides: {
        listen: { address: '127.0.0.1', port: 0 },
        log: { level: 'silent' },
        shutdownTimeout: '1s',
        ...overrides,
      },
    });
    if (config.tls === 'self-signed') await placeServerCertificate(config.dataDir);
    const server = await startServer(config, { mirrors });
    const workspace = asTestActor(await openWorkspace(config));
    const agent = new Agent({ connect: { rejectUnauthorized: false } });
    return new TestServer(config, server, workspace, agent);
  }

  async close(): Promise<void> {
    await this.agent.destroy();
    await this.server.close();
    await this.workspace.close();
  }

  url(path: string, scheme: 'http' | 'https' = 'https'): string {
    return `${scheme}://127.0.0.1:${this.server.port}${path}`;
  }

  /** Requests a path as it is written, without tidying it; redirects are not followed. */
  async request(
    path: string,
    options: {
      method?: string;
      headers?: Record<string, string>;
      body?: string | Buffer | AsyncIterable<Uint8Array>;
      scheme?: 'http' | 'https';
      token?: string;
    } = {},
  ): Promise<{ status: number; headers: Record<string, string>; body: Buffer; json: () => unknown }> {
    const { method = 'GET', headers = {}, scheme = 'https', token, body } = options;
    const response = await this.agent.request({
      origin: this.url('', scheme),
      path,
      method: method as Dispatcher.HttpMethod,
      headers: { ...headers, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
      ...(body === undefined ? {} : { body: body as Buffer }),
    });
    const bytes = Buffer.from(await response.body.arrayBuffer());
    return {
      status: response.statusCode,
      headers: response.headers as Record<string, string>,
      body: bytes,
      json: () => JSON.parse(bytes.toString()) as unknown,
    };
  }

  /** Publishes beside the server, as a command does. */
  async publish(request: PublishRequest): Promise<Published> {
    return await publish(this.workspace.destination, request);
  }

  /** The secret of a new token. */
  async token(actions: ('read' | 'publish' | 'remove' | 'admin')[], streams?: string[]): Promise<string> {
    const name = `token ${Math.random()}`;
    const { secret } = await this.workspace.catalog.tokens.create({
      name,
      actions,
      ...(streams === undefined ? {} : { streams }),
    });
    return secret;
  }
}
