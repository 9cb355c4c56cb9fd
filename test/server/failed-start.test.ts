import { createHook } from 'node:async_hooks';
import { readdirSync, readlinkSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { loadConfig, type Overrides } from '../../src/config/load.ts';
import { startServer } from '../../src/server/start.ts';
import { scratchDirectory } from '../support/catalog.ts';

/** What a server makes that goes on until it is closed: timers, the watch of a file, sockets, threads. */
const lasting = new Set(['Timeout', 'STATWATCHER', 'FSEVENTWRAP', 'TCPSERVERWRAP', 'WORKER']);

/** What the product begins from now on and has not ended; of timers, the place in its source. */
function watchLasting(): () => string[] {
  const open = new Map<number, string>();
  const hook = createHook({
    init: (id, type) => {
      if (!lasting.has(type)) return;
      const place = /\/src\/\S+?\.ts/.exec(new Error().stack ?? '')?.[0];
      // The test runner has timers, too. The log is the process's own, and lasts as long.
      if (type === 'Timeout' && (place === undefined || place === '/src/ops/log.ts')) return;
      open.set(id, type === 'Timeout' ? `timer of ${place}` : type);
    },
    destroy: (id) => void open.delete(id),
  }).enable();
  onTestFinished(() => void hook.disable());
  return () => [...open.values()];
}

/** The files below a directory that this process has open. */
function openFiles(directory: string): string[] {
  return readdirSync('/proc/self/fd').flatMap((name) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${name}`);
      return path.startsWith(directory) ? [path] : [];
    } catch {
      // It was the one of the listing itself.
      return [];
    }
  });
}

/** A port on which something else listens. */
async function busyPort(): Promise<number> {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void other.close());
  const address = other.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

function configOf(dataDir: string, overrides: Overrides = {}) {
  return loadConfig({
    env: {},
    overrides: {
      dataDir,
      log: { level: 'silent' },
      shutdownTimeout: '1s',
      listen: { address: '127.0.0.1', port: 0 },
      ...overrides,
    },
  });
}

test('a server whose port is in use leaves nothing open, and its store to the next one', async () => {
  const dataDir = await scratchDirectory();
  const address = '127.0.0.1';
  const busy = { listen: { address, port: await busyPort() } };
  const stillOpen = watchLasting();
  await expect(startServer(configOf(dataDir, busy))).rejects.toThrow('something else listens there');
  await expect.poll(stillOpen, { timeout: 10_000 }).toEqual([]);
  expect(openFiles(dataDir)).toEqual([]);
  // A lease that was not given up would keep a server with another catalog away for minutes.
  for (const name of readdirSync(dataDir).filter((each) => each.startsWith('catalog.db')))
    await rm(join(dataDir, name));
  const next = await startServer(configOf(dataDir));
  await next.close();
});

test('a server that is closed leaves nothing open either', async () => {
  const dataDir = await scratchDirectory();
  const stillOpen = watchLasting();
  const server = await startServer(configOf(dataDir));
  expect(stillOpen()).toEqual(
    expect.arrayContaining(['timer of /src/ops/keep-reserve.ts', 'STATWATCHER', 'TCPSERVERWRAP']),
  );
  await server.close();
  await expect.poll(stillOpen, { timeout: 10_000 }).toEqual([]);
  expect(openFiles(dataDir)).toEqual([]);
});
