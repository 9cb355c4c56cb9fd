import type { Client } from '../support/daemons.ts';
import type { Headwater } from './headwater.ts';

/** Has a client trusted by a registry, which it knows as the remote `name` from then on. */
export async function joinRegistry(
  client: Client,
  headwater: Headwater,
  name: string,
  ...options: string[]
): Promise<void> {
  await client.attempt('remote', 'remove', name);
  const holder = `${name}-${Math.random()}`;
  const token =
    (await headwater.cli('token', 'create', holder, '--join', ...options)).trim().split('\n').at(-1) ?? '';
  await client.run(
    'remote',
    'add',
    name,
    headwater.url,
    '--accept-certificate',
    ...secretFlags(client, token),
  );
}

function secretFlags(client: Client, token: string): string[] {
  return client.name === 'lxd' ? ['--password', token] : ['--token', token];
}
