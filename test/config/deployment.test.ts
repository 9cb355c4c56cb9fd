import { readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { scratchDirectory } from '../support/catalog.ts';
import { attempt, run } from '../support/command.ts';
import { demand } from '../support/needs.ts';

const unitFile = 'config/headwater.service';

/** The values that a unit gives a setting, in their order. */
async function unitSetting(name: string): Promise<string[]> {
  const lines = (await readFile(unitFile, 'utf8')).split('\n');
  return lines.flatMap((line) => (line.startsWith(`${name}=`) ? [line.slice(name.length + 1)] : []));
}

test('the systemd unit is accepted by systemd', async () => {
  demand('systemd-analyze');
  expect(await attempt('systemd-analyze', ['verify', unitFile])).toMatchObject({ code: 0, stderr: '' });
});

test('the systemd unit lets the server listen on the port of config/production.yaml', async () => {
  const { listen } = loadConfig({ file: 'config/production.yaml', env: {} });
  expect(listen.port).toBeLessThan(1024);
  expect(await unitSetting('AmbientCapabilities')).toEqual(['CAP_NET_BIND_SERVICE']);
  expect(await unitSetting('CapabilityBoundingSet')).toEqual(['CAP_NET_BIND_SERVICE']);
  // The capability of another user namespace does not open the port of this one.
  expect(await unitSetting('PrivateUsers')).toEqual([]);
});

test('config/production.yaml names the certificate files that the certbot hook writes', async () => {
  const { tls } = loadConfig({ file: 'config/production.yaml', env: {} });
  if (typeof tls !== 'object') throw new Error('production.yaml names no certificate');
  const lineage = await scratchDirectory();
  const directory = join(await scratchDirectory(), 'tls');
  await writeFile(join(lineage, 'fullchain.pem'), 'a certificate');
  await writeFile(join(lineage, 'privkey.pem'), 'a key', { mode: 0o600 });
  const hook = 'config/certbot-deploy-hook.sh';
  const group = (await run('id', ['-g'])).trim();
  const env = { RENEWED_LINEAGE: lineage, HEADWATER_TLS_DIR: directory, HEADWATER_TLS_GROUP: group };
  await run(hook, [], { env });

  expect(await readFile(hook, 'utf8')).toContain(`:-${dirname(tls.certificate)}}`);
  const copied = (path: string) => join(directory, path.slice(dirname(path).length + 1));
  expect(await readFile(copied(tls.certificate), 'utf8')).toBe('a certificate');
  expect(await readFile(copied(tls.key), 'utf8')).toBe('a key');
  expect((await stat(copied(tls.key))).mode & 0o777).toBe(0o640);
  expect((await stat(directory)).mode & 0o777).toBe(0o750);

  const other = await scratchDirectory();
  await run(hook, [], { env: { ...env, RENEWED_LINEAGE: other, HEADWATER_LINEAGE: lineage } });
  expect(await readFile(copied(tls.key), 'utf8')).toBe('a key');
});

test('behind nginx with config/nginx.conf, requests name the client', async () => {
  const [server = '', ...locations] = (await readFile('config/nginx.conf', 'utf8'))
    .replace(/#.*/g, '')
    .split(/^ {2}location /m);
  expect(server).toContain('proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;');
  expect(locations).not.toHaveLength(0);
  // A location with a header of its own takes over none of the server's.
  for (const location of locations) expect(location).not.toContain('proxy_set_header');
});
