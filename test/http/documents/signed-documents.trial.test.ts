import { describe, expect, test } from 'vitest';
import { draft, stored, testActor } from '../../support/catalog.ts';
import { lacks } from '../../support/needs.ts';
import { TestServer } from '../../support/server.ts';
import { scratchKey } from '../../support/signing.ts';
import { mirrorSigned } from '../../support/sstream.ts';

async function fetched(server: TestServer, path: string): Promise<Buffer> {
  const { status, body } = await server.request(`/${path}`);
  if (status !== 200) throw new Error(`${path}: ${status}`);
  return body;
}

describe.skipIf(lacks('gpgv'))('signed documents', () => {
  test('of 10,000 versions are accepted, line lengths included', async () => {
    const { key, keyring } = await scratchKey();
    const server = await TestServer.start({ signing: { key } });
    const { versions } = server.workspace.catalog.by(testActor);
    for (let number = 0; number < 100; number++) {
      const os = `os${number}`;
      await Promise.all(
        Array.from({ length: 100 }, (_, index) => {
          const day = new Date(Date.UTC(2026, 0, 1 + index)).toISOString().slice(0, 10).replaceAll('-', '');
          return versions.publish(draft({ os, serial: `${day}_0000` }), stored);
        }),
      );
    }
    await expect
      .poll(async () => String(await fetched(server, 'streams/v1/images.sjson')), { timeout: 60_000 })
      .toContain('"os99:');
    await expect
      .poll(async () => (await mirrorSigned((path) => fetched(server, path), keyring)).size, {
        timeout: 60_000,
      })
      .toBe(100 * 100 * 3);
  }, 600_000);

  test('are never torn during 1,000 publishes under load', async () => {
    const { key, keyring } = await scratchKey();
    const server = await TestServer.start({ signing: { key } });
    const { versions } = server.workspace.catalog.by(testActor);
    await versions.publish(draft({ os: 'first' }), stored);
    await expect.poll(async () => (await server.request('/streams/v1/images.sjson')).status).toBe(200);
    let isDone = false;
    let reads = 0;
    const read = async () => {
      while (!isDone) {
        await mirrorSigned((path) => fetched(server, path), keyring);
        reads++;
      }
    };
    const load = async () => {
      while (!isDone) await fetched(server, 'streams/v1/images.json');
    };
    const reading = Promise.all([read(), read(), load(), load(), load()]);
    const publishing = (async () => {
      try {
        for (let index = 0; index < 1000; index++) {
          await versions.publish(draft({ os: `os${index}` }), stored);
        }
        await expect
          .poll(async () => String(await fetched(server, 'streams/v1/images.sjson')), { timeout: 60_000 })
          .toContain('"os999:');
      } finally {
        isDone = true;
      }
    })();
    await Promise.all([reading, publishing]);
    expect(reads).toBeGreaterThan(20);
    expect((await mirrorSigned((path) => fetched(server, path), keyring)).size).toBe(1001 * 3);
  }, 600_000);
});
