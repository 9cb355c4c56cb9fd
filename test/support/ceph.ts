import { spawn } from 'node:child_process';
import { access, mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from './ports.ts';

const script = fileURLToPath(new URL('./ceph-rgw.sh', import.meta.url));

/** An S3 service, and the keys that may do everything there. */
export interface S3Service {
  endpoint: string;
  accessKey: string;
  secretKey: string;
}

/** A Ceph that runs for us. */
export interface Ceph extends S3Service {
  stop(): Promise<void>;
}

/**
 * Starts a real Ceph RADOS Gateway that keeps everything in memory; it takes some 15 seconds. It ends at `stop()`, or
 * by itself when the owner has ended.
 * @param options.owner id of the process it must not outlive; this one when left out
 */
export async function startCeph(options: { owner?: number } = {}): Promise<Ceph> {
  const owner = options.owner ?? process.pid;
  // Somebody may take a port between the moment it is found free and the moment it is used.
  for (let tries = 2; ; tries--) {
    try {
      return await start(owner);
    } catch (error) {
      if (tries === 0) throw error;
    }
  }
}

async function start(owner: number): Promise<Ceph> {
  const directory = await mkdtemp(join(tmpdir(), 'headwater-ceph-'));
  const [monitorPort, gatewayPort] = [await freePort(), await freePort()];
  const child = spawn('bash', [script, directory, String(owner), String(monitorPort), String(gatewayPort)], {
    detached: true,
    stdio: 'ignore',
  });
  child.unref();
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    // The last thing the script does is to remove it.
    while (await exists(directory)) await sleep(100);
  };
  const setupLog = join(directory, 'log', 'setup');
  let said = '';
  for (const deadline = Date.now() + 120_000; !(await exists(join(directory, 'ready'))); await sleep(100)) {
    said = await readFile(setupLog, 'utf8').catch(() => said);
    if (child.exitCode !== null || Date.now() > deadline) {
      await stop();
      throw new Error(`Ceph did not start:\n${said.slice(-4000)}`);
    }
  }
  return { endpoint: `http://127.0.0.1:${gatewayPort}`, accessKey: 'testkey', secretKey: 'testsecret', stop };
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
