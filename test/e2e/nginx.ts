import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { trustedTls } from '../support/daemons.ts';

const example = fileURLToPath(new URL('../../config/nginx.conf', import.meta.url));

/** Of the loopback addresses the one whose ports 80 and 443 the tests take. */
export const proxyAddress = '127.0.0.2';

/**
 * Starts nginx with config/nginx.conf, changed in nothing but addresses and certificate.
 * @param backend the port of the Headwater behind it
 * @param tlsOnly a second port for TLS, beside 443, that has no port for plain HTTP next to it
 * @returns stops it
 */
export async function startNginx(backend: number, tlsOnly: number): Promise<() => Promise<void>> {
  const directory = await mkdtemp(path.join(tmpdir(), 'headwater-nginx-'));
  const replacements: [string | RegExp, string][] = [
    ['server 127.0.0.1:8080;', `server 127.0.0.1:${backend};`],
    ['listen 80;', `listen ${proxyAddress}:80;`],
    ['listen 443 ssl;', `listen ${proxyAddress}:443 ssl; listen ${proxyAddress}:${tlsOnly} ssl;`],
    [/listen \[::\]:\d+( ssl)?;/g, ''],
    [/ssl_certificate .*;/, `ssl_certificate ${trustedTls.certificate};`],
    [/ssl_certificate_key .*;/, `ssl_certificate_key ${trustedTls.key};`],
  ];
  let text = await readFile(example, 'utf8');
  for (const [from, to] of replacements) {
    const changed = text.replace(from, to);
    if (changed === text) throw new Error(`config/nginx.conf has no ${from}`);
    text = changed;
  }
  const file = path.join(directory, 'nginx.conf');
  await writeFile(
    file,
    `daemon off; pid ${directory}/pid; error_log stderr; events {}
    http {
      access_log off;
      client_body_temp_path ${directory}; proxy_temp_path ${directory}; fastcgi_temp_path ${directory};
      uwsgi_temp_path ${directory}; scgi_temp_path ${directory};
      ${text}
    }`,
  );
  const nginx = spawn('nginx', ['-c', file, '-e', 'stderr'], { stdio: ['ignore', 'ignore', 'pipe'] });
  let output = '';
  nginx.stderr.setEncoding('utf8').on('data', (data: string) => {
    output += data;
  });
  await listening(nginx, () => output);
  return async () => {
    const ended = new Promise((resolve) => nginx.once('exit', resolve));
    nginx.kill('SIGTERM');
    await ended;
    await rm(directory, { recursive: true });
  };
}

async function listening(nginx: ChildProcess, output: () => string): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if (nginx.exitCode !== null) break;
    const connected = await new Promise<boolean>((resolve) => {
      const socket = createConnection(80, proxyAddress);
      socket.once('connect', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });
    if (connected) return;
    await sleep(50);
  }
  throw new Error(`nginx does not listen:\n${output()}`);
}
