import { createHash, randomBytes } from 'node:crypto';
import { createServer, get, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { DirectoryStore } from '../../src/blobs/directory/directory-store.ts';
import { type BlobBody, openBlob } from '../../src/http/blob-body.ts';
import { sendBytes } from '../../src/http/send-bytes.ts';
import { parseDigest } from '../../src/model/digest.ts';
import { scratchDirectory } from '../support/catalog.ts';

const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** A server that answers every request with what `open` gives; failures end in `failures`. */
async function serve(open: (target: string) => Promise<BlobBody>) {
  const failures: unknown[] = [];
  const server = createServer((request, response) => {
    void open(request.url ?? '')
      .then(async (body) => {
        response.writeHead(200, { 'Content-Length': body.length });
        await sendBytes(response, [body]);
      })
      .catch((error: unknown) => failures.push(error));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, failures };
}

function request(port: number, path: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, agent: false }, resolve).once('error', reject);
  });
}

async function download(port: number, path: string, pace: number): Promise<string> {
  const sum = createHash('sha256');
  for await (const chunk of await request(port, path)) {
    sum.update(chunk as Buffer);
    if (pace > 0) await sleep(pace);
  }
  return sum.digest('hex');
}

test('downloads at once, fast, slow and left half way, each get their own bytes', async () => {
  const store = new DirectoryStore(await scratchDirectory());
  await store.open();
  const blobs = await Promise.all(
    Array.from({ length: 4 }, async () => {
      const bytes = randomBytes(5 * 2 ** 20 + 17);
      const digest = parseDigest(hash(bytes));
      await store.write(Readable.from([bytes]), { digest });
      return { digest, length: bytes.length };
    }),
  );
  const { port, failures } = await serve(async (target) => {
    const blob = blobs[Number(target.slice(1)) % blobs.length];
    if (blob === undefined) throw new Error(target);
    return { bytes: await store.read(blob.digest), length: blob.length };
  });
  const leave = async (path: string) => {
    const response = await request(port, path);
    await new Promise((resolve) => response.once('data', resolve));
    response.destroy();
  };
  for (let round = 0; round < 3; round++) {
    const downloads = blobs.flatMap((_, index) => [
      download(port, `/${index}`, 0),
      download(port, `/${index}`, 2),
    ]);
    await Promise.all(blobs.map((_, index) => leave(`/${index}`)));
    expect(await Promise.all(downloads)).toEqual(blobs.flatMap(({ digest }) => [digest, digest]));
  }
  expect(failures).toEqual([]);
});

test('bytes that end early break the connection, and are an error', async () => {
  const digest = parseDigest(hash(Buffer.alloc(100)));
  const store = { read: async () => Readable.from([Buffer.alloc(100)]) };
  const { port, failures } = await serve(() => openBlob(store, { digest, size: 1000 }));
  await expect(download(port, '/', 0)).rejects.toThrow('aborted');
  expect(failures).toMatchObject([{ message: 'a blob ended after 100 of 1000 bytes' }]);
});

test('bytes that fail break the connection, and the failure is told', async () => {
  async function* failing() {
    yield Buffer.alloc(100);
    await sleep(20);
    throw new Error('the disk is gone');
  }
  const { port, failures } = await serve(async () => ({ bytes: Readable.from(failing()), length: 1000 }));
  await expect(download(port, '/', 0)).rejects.toThrow('aborted');
  expect(failures).toMatchObject([{ message: 'the disk is gone' }]);
});

test('bytes are read when the client has taken those before, however much a response may buffer', async () => {
  const waiting: number[] = [];
  async function* chunks(response: ServerResponse) {
    for (let count = 0; count < 50; count++) {
      waiting.push(response.writableLength);
      yield Buffer.alloc(2 ** 20);
    }
  }
  const server = createServer({ highWaterMark: 2 ** 30 }, (_, response) => {
    response.writeHead(200, { 'Content-Length': 50 * 2 ** 20 });
    const bytes = Readable.from(chunks(response), { objectMode: false, highWaterMark: 0 });
    void sendBytes(response, [{ bytes, length: 50 * 2 ** 20 }]);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  await download((server.address() as AddressInfo).port, '/', 0);
  // The headers may still be on their way.
  expect(waiting.slice(1)).toEqual(Array.from({ length: 49 }, () => 0));
});
