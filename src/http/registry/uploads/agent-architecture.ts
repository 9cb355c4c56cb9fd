import type { Context } from 'koa';

/** The architecture of the client, which it names: `LXD 5.0.2 (Linux; x86_64; …)`. */
export function agentArchitecture(context: Context): string | undefined {
  return /^(?:LXD|Incus) [^(]*\(Linux; ([\w-]+);/.exec(context.get('User-Agent'))?.[1];
}
