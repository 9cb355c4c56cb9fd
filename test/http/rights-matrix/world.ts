import { createHash } from 'node:crypto';
import { readdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import type { Known } from '../../../src/access/access.ts';
import { definition } from '../../mirror/workspace.ts';
import { type ImageBytes, makeImage, upload } from '../../support/push-images.ts';
import { RegistryClient } from '../../support/registry-client.ts';
import { rootTarball } from '../../support/root-tarballs.ts';
import { TestServer } from '../../support/server.ts';
import { scratchKey } from '../../support/signing.ts';
import { makeSmallImage } from '../../support/small-images.ts';

/** What exists on the server, as rights tell it apart. */
export const things = ['public', 'own', 'privateStream', 'ownPush', 'privatePush', 'unnamed'] as const;
export type Thing = (typeof things)[number];

/** By what requests name a thing, or one of the same shape that does not exist. */
export interface Names {
  alias: string;
  fingerprint: string;
  os: string;
  release: string;
  serial: string;
  stream: string;
  digest: string;
  operation: string;
  client: string;
}

export interface World {
  server: TestServer;
  names: Record<Thing, Names>;
  /** Of each thing: texts that nobody may read who may not see it. */
  markers: Record<Thing | 'administration', string[]>;
  clients: { team: RegistryClient; other: RegistryClient };
  /** Changes whenever anything is changed. */
  state: () => Promise<string>;
}

const hex = (text: string) => createHash('sha256').update(text).digest('hex');

/** Names like those of a thing, of nothing that exists. */
export function absent(names: Names): Names {
  const other = (text: string) => text.replace('zq', 'yq');
  const digest = (text: string) => hex(`absent ${text}`);
  return {
    alias: other(names.alias),
    fingerprint: digest(names.fingerprint),
    os: names.stream === 'pushed' ? names.os : other(names.os),
    release: other(names.release),
    serial: names.serial,
    stream: names.stream === 'tenantb' ? 'tenantx' : names.stream,
    digest: digest(names.digest),
    operation: names.operation.replaceAll(/[0-9a-f]/g, '1'),
    client: digest(names.client),
  };
}

/** A web server that has nothing, so that a run of a mirror fails at once. @returns its address */
async function emptyUpstream(): Promise<string> {
  const server = createServer((_, response) => response.writeHead(404).end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('it does not listen');
  return `http://127.0.0.1:${address.port}`;
}

/** A server with something of everybody's. */
export async function createWorld(): Promise<World> {
  const upstream = await emptyUpstream();
  const mirror = definition(`${upstream}/zqupstream`, { name: 'zqmirror', stream: 'tenantb' });
  const { key } = await scratchKey();
  const server = await TestServer.start(
    {
      signing: { key },
      streams: { images: { public: true }, tenanta: { public: false }, tenantb: { public: false } },
    },
    [mirror],
  );
  const { catalog } = server.workspace;
  const [team, other] = [
    await RegistryClient.joined(server, { name: 'zqclienta', names: ['zqown/*'] }),
    await RegistryClient.joined(server, { name: 'zqclientb', names: ['zqpush/*'] }),
  ];
  const operationOf = async (client: RegistryClient, secret: string) => {
    const found = await catalog.clients.authenticate(client.fingerprint);
    if (found === undefined) throw new Error('the client has not joined');
    const identity: Known = { kind: 'client', ...found };
    const options = { description: secret, identity, metadata: { secret }, lifetime: 600_000 };
    return server.server.operations.token(options).id;
  };
  const ownOperation = await operationOf(team, 'zqopsecreta');
  const otherOperation = await operationOf(other, 'zqopsecretb');
  const published = async (os: string, stream: string): Promise<Names> => {
    const image = await makeSmallImage({ os, size: 4096 });
    const tarball = join(image.directory, 'rootfs.tar.xz');
    await writeFile(tarball, await rootTarball('xz'));
    const result = await server.publish({
      files: [image.metadata, image.root, tarball].map((path) => ({ from: 'disk', name: path, path })),
      stream,
      aliases: [`${os}/x`],
    });
    const fingerprint = result.images[0]?.fingerprint ?? '';
    const found = await catalog.products.find({ stream, name: result.product });
    const digest = found?.versions[0]?.items.find(({ type }) => type === 'squashfs')?.digest ?? '';
    return { ...common, alias: `${os}/x`, fingerprint, os, serial: result.serial, stream, digest };
  };
  const common = { release: 'bookworm', operation: otherOperation, client: other.fingerprint };
  const push = async (client: RegistryClient, image: ImageBytes, alias: string): Promise<Names> => {
    const named = alias === '' ? {} : { 'x-incus-aliases': `alias=${encodeURIComponent(alias)}` };
    const told = `${alias || 'zqunnamed'}`.replace('/', '-');
    const answer = await upload(client, image, {
      ...named,
      'x-lxd-properties': `description=${told}-description`,
      'x-lxd-filename': `${told}-file`,
    });
    if (answer.status !== 202) throw new Error(answer.error);
    const product = (await catalog.images.find(image.fingerprint))[0]?.product;
    const serial = (await catalog.images.find(image.fingerprint))[0]?.serial;
    const operation = client === team ? ownOperation : otherOperation;
    return {
      alias: alias || 'zqunnamed/x',
      fingerprint: image.fingerprint,
      os: 'pushed',
      release: product?.release ?? '',
      serial: serial ?? '',
      stream: 'pushed',
      digest: createHash('sha256').update(image.root).digest('hex'),
      operation,
      client: client.fingerprint,
    };
  };
  const names: Record<Thing, Names> = {
    public: await published('zqpublic', 'images'),
    own: await published('zqowna', 'tenanta'),
    privateStream: await published('zqprivb', 'tenantb'),
    ownPush: await push(team, await makeImage(), 'zqown/app'),
    privatePush: await push(other, await makeImage(), 'zqpush/app'),
    unnamed: await push(other, await makeImage(), ''),
  };
  // What is made in the background would look like a change.
  await expect
    .poll(() => catalog.generated.lacking({ kind: 'lxc-metadata', xzStreams: [], after: 0, limit: 1 }))
    .toEqual([]);
  const marked = ({ os, alias, fingerprint, digest, stream }: Names) => [
    ...(os === 'pushed' ? [] : [os, stream]),
    ...[alias, alias.replace('/', '-'), alias.replace('/x', '-description'), fingerprint, digest],
  ];
  const byThing = Object.fromEntries(things.map((thing) => [thing, marked(names[thing])]));
  byThing['privateStream']?.push('zqmirror');
  await catalog.tokens.create({ name: 'zqtokenb', actions: ['publish'], streams: ['tenantb'] });
  const administration = ['zqtokenb', 'zqclienta', 'zqclientb', 'zqupstream', 'zqopsecretb', otherOperation];
  const state = async () => {
    const [last] = await catalog.audit.list({ limit: 1 });
    const uploads = await readdir(join(server.config.dataDir, 'uploads')).catch(() => []);
    const blobs: string[] = [];
    for await (const { digest } of server.workspace.store.list()) blobs.push(digest);
    return JSON.stringify([last?.id, uploads, blobs.sort(), operationsRunning()]);
  };
  const operationsRunning = () =>
    [ownOperation, otherOperation].map((id) => server.server.operations.find(id)?.ended);
  await new Promise<void>((resolve) => setImmediate(resolve));
  const markers = { ...(byThing as Record<Thing, string[]>), administration };
  return { server, names, markers, clients: { team, other }, state };
}
