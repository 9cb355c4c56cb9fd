import { open } from 'node:fs/promises';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { expect, test, vi } from 'vitest';
import { put, sample } from '../blobs/bytes.ts';
import { TestServer } from '../support/server.ts';
import { makeSmallImage } from '../support/small-images.ts';
import { heldIntervals, logLines } from './log-lines.ts';

vi.mock('../../src/ops/log.ts', { spy: true });

const lines = logLines();
heldIntervals();

/** A server with an image, whose catalog is whole in its file and in the memory of the process. */
async function started(): Promise<TestServer> {
  const server = await TestServer.start({ tls: 'off', gracePeriod: '1s' });
  const image = await makeSmallImage();
  await server.publish({
    files: [image.metadata, image.root].map((path) => ({ from: 'disk', name: path, path })),
  });
  const database = new Sqlite(file(server));
  database.pragma('wal_checkpoint(TRUNCATE)');
  database.close();
  await get(server, '/metrics');
  await server.request('/api/v1/tokens', { scheme: 'http', token: 'not one' });
  return server;
}

const file = ({ config }: TestServer) => join(config.dataDir, 'catalog.db');

/** Overwrites the first page of tables and their indexes in the file of the catalog. */
async function damage(server: TestServer, ...tables: string[]): Promise<void> {
  const database = new Sqlite(file(server), { readonly: true });
  const roots = database
    .prepare(
      'select rootpage from sqlite_master where rootpage > 0 and tbl_name in (select value from json_each(?))',
    )
    .pluck()
    .all(JSON.stringify(tables)) as number[];
  const size = database.pragma('page_size', { simple: true }) as number;
  database.close();
  const handle = await open(file(server), 'r+');
  for (const root of roots) await handle.write(Buffer.alloc(size, 0xa5), 0, size, (root - 1) * size);
  await handle.close();
}

async function get(server: TestServer, path: string): Promise<{ status: number; text: string }> {
  const { status, body } = await server.request(path, { scheme: 'http' });
  return { status, text: body.toString() };
}

async function metric(server: TestServer, name: string): Promise<string | undefined> {
  const { status, text } = await get(server, '/metrics');
  expect(status, text).toBe(200);
  return new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1];
}

/** Lets time pass until something is so. */
async function eventually(server: TestServer, name: string, value: string): Promise<void> {
  for (let round = 0; (await metric(server, name)) !== value; round++) {
    expect(round, `${name} is not ${value}`).toBeLessThan(1000);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test('the check of a running server finds damage in the file: metrics, readiness and the log say so, and nothing is removed', async () => {
  const server = await started();
  const stray = sample(100);
  await put(server.workspace.store, stray);
  await new Promise((resolve) => setTimeout(resolve, 1100));
  await damage(server, 'tokens');
  expect(await metric(server, 'headwater_catalog_damaged')).toBe('0');
  expect(await metric(server, 'headwater_store_owned')).toBe('1');

  // The round that checks the catalog and looks for strays.
  await vi.advanceTimersByTimeAsync(1000);
  await eventually(server, 'headwater_catalog_damaged', '1');
  expect(await metric(server, 'headwater_store_owned')).toBe('0');
  expect(await get(server, '/readyz')).toEqual({
    status: 200,
    text: expect.stringMatching(/"warning":"the catalog is damaged .*restore a backup/),
  });
  expect(await get(server, '/readyz?write')).toEqual({
    status: 503,
    text: expect.stringContaining('the catalog is damaged'),
  });

  await vi.advanceTimersByTimeAsync(200_000);
  expect(await server.workspace.store.stat(stray.digest)).toBeDefined();
  expect(lines.said('the catalog is damaged')).toEqual([
    expect.objectContaining({ level: 'error', reason: expect.stringContaining('restore a backup') }),
  ]);
});

test('metrics answer when the catalog cannot be read, and the use that finds the damage reports it', async () => {
  const server = await started();
  const token = await server.token(['read']);
  await damage(server, 'products', 'versions', 'blobs', 'tokens');
  // A change by another process: what this one has in memory counts no more.
  await server.workspace.catalog.mirrors.setNextRun('another', new Date());
  // Whose token it is cannot be read either.
  expect((await server.request('/metrics', { scheme: 'http', token })).status).toBe(200);
  expect(await metric(server, 'headwater_catalog_versions')).toMatch(/nan/i);
  expect(await metric(server, 'headwater_catalog_damaged')).toBe('1');
  expect(await metric(server, 'headwater_store_owned')).toBe('0');
  expect(lines.said('the catalog cannot be read for the metrics')).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(60_000);
  await expect.poll(() => lines.said('the catalog is damaged').length).toBe(1);
});
