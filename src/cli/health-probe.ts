import { Agent } from 'undici';
import type { Config } from '../config/schema.ts';
import { HeadwaterError } from '../errors.ts';
import { connectionError } from './api-errors.ts';

/** How long a probe may take, in milliseconds: less than those that run it wait. */
const timeout = 4000;

/**
 * Asks the server that a configuration describes, on this machine, whether it is well.
 * @returns what was asked
 * @throws HeadwaterError `unavailable` when it is not, or cannot be reached; `invalid` when its port cannot be known
 */
export async function askHealth(
  config: Pick<Config, 'listen' | 'tls'>,
  probe: 'healthz' | 'readyz' | 'readyz?write',
): Promise<string> {
  if (config.listen.port === 0) {
    throw new HeadwaterError('invalid', 'listen.port: with 0 the system chooses the port: name the real one');
  }
  const url = `${localUrl(config)}/${probe}`;
  // Whose certificate it is does not matter here: nothing secret is sent, and it may be for another name.
  const agent = new Agent({ connect: { rejectUnauthorized: false, timeout } });
  try {
    const { statusCode, body } = await agent.request({
      origin: new URL(url).origin,
      path: `/${probe}`,
      method: 'GET',
      signal: AbortSignal.timeout(timeout),
    });
    const text = await body.text();
    if (statusCode === 200) return url;
    throw new HeadwaterError('unavailable', `${url}: answered with status ${statusCode}: ${text.trim()}`);
  } catch (error) {
    throw error instanceof HeadwaterError ? error : connectionError(url, error);
  } finally {
    await agent.destroy();
  }
}

/** A server that listens on every address is asked on the loopback one. */
function localUrl({ listen: { address, port }, tls }: Pick<Config, 'listen' | 'tls'>): string {
  const everywhere: Record<string, string> = { '::': 'localhost', '0.0.0.0': '127.0.0.1' };
  const host = everywhere[address] ?? (address.includes(':') ? `[${address}]` : address);
  return `${tls === 'off' ? 'http' : 'https'}://${host}:${port}`;
}
