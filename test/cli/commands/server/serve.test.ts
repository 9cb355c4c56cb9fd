import { X509Certificate } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { bannerText, serverUrl } from '../../../../src/cli/view/banner.ts';
import { loadConfig, type Overrides } from '../../../../src/config/load.ts';
import { headwater, RunningHeadwater } from '../../command-line.ts';

let directory: string;
const running: RunningHeadwater[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'headwater-serve-'));
});
afterEach(async () => {
  for (const server of running.splice(0)) await server.end('SIGKILL');
  await rm(directory, { recursive: true });
});

function serve(...args: string[]): RunningHeadwater {
  const server = new RunningHeadwater(['serve', '--set', 'listen.port=0', ...args], { cwd: directory });
  running.push(server);
  return server;
}

describe('serve', () => {
  test('with --json prints its address, and ends with 0 at a signal', async () => {
    const server = serve('--json');
    await server.until(() => server.stdout.includes('\n'));
    const said = JSON.parse(server.stdout) as Record<string, unknown>;
    const certificate = join(directory, 'data/tls/server.crt');
    const { fingerprint256 } = new X509Certificate(await readFile(certificate));
    expect(said).toEqual({
      url: `https://${hostname()}:${said['port']}`,
      port: expect.any(Number),
      selfSigned: true,
      signingKey: null,
      certificate,
      fingerprint: fingerprint256.replaceAll(':', '').toLowerCase(),
    });
    expect(await server.end('SIGTERM')).toBe(0);
  });

  test('prints how to add and trust the server', async () => {
    const server = serve();
    await server.until(() => server.stdout.includes('restart the LXD or Incus daemon'));
    const url = /Headwater serves (\S+)/.exec(server.stdout)?.[1];
    expect(server.stdout).toContain(
      `\n  lxc remote add headwater ${url} --protocol simplestreams --public\n`,
    );
    expect(server.stdout).toContain(
      `\n  incus remote add headwater ${url} --protocol simplestreams --public\n`,
    );
    expect(server.stdout).toContain(join(directory, 'data/tls/server.crt'));
    for (const path of ['~/.config/lxc', '~/snap/lxd/common/config', '~/.config/incus']) {
      expect(server.stdout).toContain(`\n  ${path}/servercerts/headwater.crt `);
    }
    expect(server.stdout.trim().split('\n').length).toBeLessThan(20);
    expect(await server.end('SIGINT')).toBe(0);
  });

  test('on a port that is taken ends with 7', async () => {
    const server = serve('--json');
    await server.until(() => server.stdout.includes('\n'));
    const { port } = JSON.parse(server.stdout) as { port: number };
    const { code, stderr } = await headwater(['serve', '--set', `listen.port=${port}`], { cwd: directory });
    expect(code).toBe(7);
    expect(stderr).toContain(`headwater: `);
    expect(stderr).toContain(String(port));
  });

  test('with a store that cannot be opened ends with 7 and the reason', async () => {
    const data = join(directory, 'data');
    await mkdir(data);
    await writeFile(join(data, 'blobs'), 'not a directory');
    const { code, stderr } = await headwater(['serve', '--set', 'listen.port=0'], { cwd: directory });
    expect(code).toBe(7);
    expect(stderr).toContain(join(data, 'blobs'));
  });
});

describe('the address that is printed', () => {
  const url = (overrides: Overrides) => serverUrl(loadConfig({ overrides, env: {} }), 8443);

  test.each<[Overrides, string]>([
    [{}, `https://${hostname()}:8443`],
    [{ listen: { address: '192.0.2.1' } }, 'https://192.0.2.1:8443'],
    [{ listen: { address: '2001:db8::1' } }, 'https://[2001:db8::1]:8443'],
    [{ tls: 'off', listen: { address: 'localhost' } }, 'http://localhost:8443'],
    [{ publicUrl: 'https://images.example.com/' }, 'https://images.example.com'],
  ])('%j', (overrides, expected) => {
    expect(url(overrides)).toBe(expected);
  });

  test('behind a proxy, the text mentions no certificate to trust', () => {
    const config = loadConfig({
      overrides: { tls: 'off', publicUrl: 'https://images.example.com' },
      env: {},
    });
    const text = bannerText(config, { port: 8080, selfSigned: false });
    expect(text).toContain('lxc remote add headwater https://images.example.com --protocol');
    expect(text).not.toContain('servercerts');
    expect(text).not.toContain('--join');
  });

  test('the text says how to join for pushes', () => {
    const config = loadConfig({ overrides: {}, env: {} });
    const text = bannerText(config, { port: 8443, selfSigned: false });
    expect(text).toContain('headwater token create NAME --join');
    expect(text).toContain('incus remote add ours TOKEN');
  });
});
