import { Agent } from 'undici';
import type { Config } from '../../config/schema.ts';
import { codeOf, HeadwaterError } from '../../errors.ts';
import { runningServers } from '../../server/running-servers.ts';
import { connectionError } from './api-errors.ts';

/** The longest time for a probe, in milliseconds: shorter than the timeouts of supervisors. */
const timeout = 4000;

/** Where a server listens. */
type Place = Pick<Config, 'listen' | 'tls'>;

type Probe = 'healthz' | 'readyz' | 'readyz?write';

/**
 * Checks the health of the server on this machine. It may have been started with other settings than the configuration:
 * if one server runs on the data directory, it is asked first; otherwise the address of the configuration is asked first,
 * then the servers of the data directory.
 * @param options.exactly ask only at the address and port of the configuration
 * @returns the URL that answered
 * @throws HeadwaterError `unavailable` if the server is not ready or cannot be reached; `invalid` if its port is unknown
 */
export async function askHealth(
  config: Pick<Config, 'listen' | 'tls' | 'dataDir'>,
  probe: Probe,
  { exactly = false }: { exactly?: boolean } = {},
): Promise<string> {
  const running = exactly ? [] : await recorded(config.dataDir);
  const configured = config.listen.port === 0 ? [] : [config];
  const places = running.length === 1 ? [...running, ...configured] : [...configured, ...running];
  const urls = new Set(places.map((place) => `${localUrl(place)}/${probe}`));
  if (urls.size === 0) {
    throw new HeadwaterError(
      'invalid',
      'listen.port is 0, so the port is unknown: set the port of the server',
    );
  }
  // The certificate is not verified: nothing secret is sent, and it may be for another name.
  const agent = new Agent({ connect: { rejectUnauthorized: false, timeout } });
  const signal = AbortSignal.timeout(timeout);
  const problems: HeadwaterError[] = [];
  try {
    for (const url of urls) {
      const problem = await ask(url, agent, signal);
      if (problem === undefined) return url;
      problems.push(problem);
    }
  } finally {
    await agent.destroy();
  }
  const [first] = problems;
  throw problems.length === 1 && first !== undefined
    ? first
    : new HeadwaterError('unavailable', problems.map(({ message }) => message).join('; '));
}

/**
 * @returns why the server cannot be reached; undefined if it is ready
 * @throws HeadwaterError `unavailable` if it answers that it is not ready
 */
async function ask(url: string, agent: Agent, signal: AbortSignal): Promise<HeadwaterError | undefined> {
  let answer: { statusCode: number; text: string };
  try {
    const { origin, pathname, search } = new URL(url);
    const { statusCode, body } = await agent.request({
      origin,
      path: pathname + search,
      method: 'GET',
      signal,
    });
    answer = { statusCode, text: await body.text() };
  } catch (error) {
    return connectionError(url, error);
  }
  if (answer.statusCode === 200) return undefined;
  throw new HeadwaterError(
    'unavailable',
    `${url}: answered with status ${answer.statusCode}: ${answer.text.trim()}`,
  );
}

/** The servers of a data directory; none if another user owns the directory. */
async function recorded(dataDir: string): Promise<Place[]> {
  try {
    return await runningServers(dataDir);
  } catch (error) {
    if (codeOf(error) === 'EACCES' || codeOf(error) === 'EPERM') return [];
    throw error;
  }
}

/** A server that listens on every address is asked on the loopback address. */
function localUrl({ listen: { address, port }, tls }: Place): string {
  const everywhere: Record<string, string> = { '::': 'localhost', '0.0.0.0': '127.0.0.1' };
  const host = everywhere[address] ?? (address.includes(':') ? `[${address}]` : address);
  return `${tls === 'off' ? 'http' : 'https'}://${host}:${port}`;
}
