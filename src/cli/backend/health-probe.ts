import { Agent } from 'undici';
import type { Config } from '../../config/schema.ts';
import { codeOf, HeadwaterError } from '../../errors.ts';
import { runningServers } from '../../server/running-servers.ts';
import { connectionError } from './api-errors.ts';

/** How long a probe may take, in milliseconds: less than those that run it wait. */
const timeout = 4000;

/** Where a server listens. */
type Place = Pick<Config, 'listen' | 'tls'>;

type Probe = 'healthz' | 'readyz' | 'readyz?write';

/**
 * Asks the server of a configuration, on this machine, whether it is well. It may have been started with other settings:
 * where one server runs on the data directory, that one is asked, and the others where the configuration's address does not
 * answer.
 * @param options.exactly ask at the address and port of the configuration, and nowhere else
 * @returns what was asked
 * @throws HeadwaterError `unavailable` when it is not, or cannot be reached; `invalid` when its port cannot be known
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
    throw new HeadwaterError('invalid', 'listen.port: with 0 the system chooses the port: name the real one');
  }
  // Whose certificate it is does not matter here: nothing secret is sent, and it may be for another name.
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
 * @returns why the server cannot be reached; undefined when it is well
 * @throws HeadwaterError `unavailable` when it answers that it is not well
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

/** The servers of a data directory; none where another user owns the directory. */
async function recorded(dataDir: string): Promise<Place[]> {
  try {
    return await runningServers(dataDir);
  } catch (error) {
    if (codeOf(error) === 'EACCES' || codeOf(error) === 'EPERM') return [];
    throw error;
  }
}

/** A server that listens on every address is asked on the loopback one. */
function localUrl({ listen: { address, port }, tls }: Place): string {
  const everywhere: Record<string, string> = { '::': 'localhost', '0.0.0.0': '127.0.0.1' };
  const host = everywhere[address] ?? (address.includes(':') ? `[${address}]` : address);
  return `${tls === 'off' ? 'http' : 'https'}://${host}:${port}`;
}
