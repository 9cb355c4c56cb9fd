import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { makeImage, multipart } from '../../support/push-images.ts';
import { joinSecret, RegistryClient } from '../../support/registry-client.ts';
import { makeSmallImage } from '../../support/small-images.ts';
import { createIdentities, type Identity } from './identities.ts';
import { routes } from './table.ts';
import { createWorld, type World } from './world.ts';

const digestOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

/** What one identity does on every route where it may change something, each change with its effect. */
class Changes {
  readonly done: string[] = [];
  readonly #world: World;
  readonly #identity: Identity;
  /** Where it publishes, where what it pushes goes, and a word that its names have and no others do. */
  readonly #at: { stream: string; pushedTo: string; own: string };

  constructor(world: World, identity: Identity, at: { stream: string; pushedTo: string; own: string }) {
    this.#world = world;
    this.#identity = identity;
    this.#at = at;
  }

  get #catalog() {
    return this.#world.server.workspace.catalog;
  }

  /** @returns the JSON of the answer, which must be a success; nothing where it has none */
  async #do(
    route: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Record<string, unknown>> {
    this.done.push(route);
    const [method = ''] = route.split(' ');
    const answer = await this.#identity.send(method, path, body, headers);
    expect(answer.status, `${this.#identity.name}, ${route}: ${answer.body}`).toBeLessThan(400);
    return answer.body === '' ? {} : (JSON.parse(answer.body) as Record<string, unknown>);
  }

  /** Does what an operation carries out. @returns what the operation says of itself at its end */
  async #operate(
    ...request: [route: string, path: string, body?: unknown, headers?: Record<string, string>]
  ): Promise<Record<string, unknown>> {
    const { operation } = await this.#do(...request);
    const answer = await this.#identity.send('GET', `${operation}/wait?timeout=20`);
    const { metadata } = JSON.parse(answer.body) as { metadata: Record<string, unknown> };
    expect(metadata, `${this.#identity.name}, ${request[0]}`).toMatchObject({ status: 'Success' });
    return metadata;
  }

  /** The management API: a version of a product, and an alias of it, come and go. */
  async publishAndRemove(): Promise<void> {
    const os = `zqos${this.#at.own}`;
    const { stream } = this.#at;
    const image = await makeSmallImage({ os, size: 3000 });
    const files = await Promise.all([readFile(image.metadata), readFile(image.root)]);
    for (const bytes of files) {
      await this.#do('PUT /api/v1/blobs/:digest', `/api/v1/blobs/sha256:${digestOf(bytes)}`, bytes);
    }
    expect(await this.#catalog.blobs.digests()).toContain(digestOf(files[1] ?? Buffer.alloc(0)));
    const digests = files.map((bytes) => ({ digest: `sha256:${digestOf(bytes)}` }));
    const published = await this.#do('POST /api/v1/versions', '/api/v1/versions', { files: digests, stream });
    const name = String(published['product']);
    const serials = async () =>
      (await this.#catalog.products.find({ stream, name }))?.versions.map(({ serial }) => serial) ?? [];
    expect(await serials()).toEqual(['20260101_0000']);

    const alias = `zqalias${this.#at.own}`;
    const path = `/api/v1/aliases/${alias}`;
    const family = { os, release: 'bookworm', variant: 'default', stream };
    await this.#do('PUT /api/v1/aliases/*alias', path, family);
    expect((await this.#catalog.aliases.list()).map((each) => each.name)).toContain(alias);
    await this.#do('DELETE /api/v1/aliases/*alias', `${path}?stream=${stream}`);
    expect((await this.#catalog.aliases.list()).map((each) => each.name)).not.toContain(alias);

    const version = `/api/v1/products/${encodeURIComponent(name)}/versions/20260101_0000`;
    await this.#do('DELETE /api/v1/products/:product/versions/:serial', `${version}?stream=${stream}`);
    expect(await serials()).toEqual([]);
  }

  /** The LXD API: an image is pushed, named, edited, shared and deleted. */
  async pushAndDelete(): Promise<void> {
    const images = await Promise.all([makeImage(), makeImage()]);
    for (const { metadata, root } of images) {
      const { body, contentType } = multipart([
        ['metadata', metadata],
        ['rootfs', root],
      ]);
      await this.#operate('POST /1.0/images', '/1.0/images', body, { 'content-type': contentType });
    }
    const [fingerprint = '', other = ''] = images.map((image) => image.fingerprint);
    const find = async () => (await this.#catalog.images.find(fingerprint))[0];
    expect((await find())?.product.stream).toBe(this.#at.pushedTo);

    const [name, renamed] = [`zqname${this.#at.own}`, `zqrenamed${this.#at.own}`];
    const targetOf = async (alias: string) => (await this.#catalog.images.byAlias(alias))[0]?.fingerprint;
    const aliases = '/1.0/images/aliases';
    await this.#do('POST /1.0/images/aliases', aliases, { name, target: fingerprint });
    expect(await targetOf(name)).toBe(fingerprint);
    await this.#do('PUT /1.0/images/aliases/*name', `${aliases}/${name}`, { target: other, description: '' });
    expect(await targetOf(name)).toBe(other);
    await this.#do('PATCH /1.0/images/aliases/*name', `${aliases}/${name}`, { target: fingerprint });
    expect(await targetOf(name)).toBe(fingerprint);
    await this.#do('POST /1.0/images/aliases/*name', `${aliases}/${name}`, { name: renamed });
    expect([await targetOf(name), await targetOf(renamed)]).toEqual([undefined, fingerprint]);
    await this.#do('DELETE /1.0/images/aliases/*name', `${aliases}/${renamed}`);
    expect(await targetOf(renamed)).toBeUndefined();

    const path = `/1.0/images/${fingerprint}`;
    await this.#do('PATCH /1.0/images/:fingerprint', path, { properties: { color: 'blue' } });
    expect((await find())?.pushed?.properties).toMatchObject({ color: 'blue' });
    await this.#do('PUT /1.0/images/:fingerprint', path, { properties: { size: 'small' } });
    expect((await find())?.pushed?.properties).toEqual({ size: 'small' });
    const refreshed = await this.#operate('POST /1.0/images/:fingerprint/refresh', `${path}/refresh`, {});
    expect(refreshed['metadata']).toMatchObject({ refreshed: false });
    await this.#share(path);

    await this.#operate('DELETE /1.0/images/:fingerprint', path);
    expect(await find()).toBeUndefined();
  }

  /** A secret opens an image, until its operation is cancelled. */
  async #share(path: string): Promise<void> {
    const stranger = RegistryClient.anonymous(this.#world.server);
    expect((await stranger.get(path)).status).toBe(404);
    const issued = await this.#do('POST /1.0/images/:fingerprint/secret', `${path}/secret`);
    const { secret } = (issued['metadata'] as { metadata: { secret: string } }).metadata;
    expect((await stranger.get(`${path}?secret=${secret}`)).status).toBe(200);
    await this.#do('DELETE /1.0/operations/:id', String(issued['operation']));
    expect((await stranger.get(`${path}?secret=${secret}`)).status).toBe(404);
  }

  /** Tokens, clients and mirrors. */
  async administrate(): Promise<void> {
    const name = `zqmade${this.#at.own}`;
    const isActive = (each: { name: string; revokedAt?: Date }) =>
      each.name === name && each.revokedAt === undefined;
    const hasToken = async () => (await this.#catalog.tokens.list()).some(isActive);
    await this.#do('POST /api/v1/tokens', '/api/v1/tokens', { name, role: 'read' });
    expect(await hasToken()).toBe(true);
    await this.#do('DELETE /api/v1/tokens/:token', `/api/v1/tokens/${name}`);
    expect(await hasToken()).toBe(false);

    const { server } = this.#world;
    const begun = await this.#do('POST /api/v1/storage/scrub', '/api/v1/storage/scrub');
    const { round, last } = await this.#catalog.scrubs.state();
    expect([round?.startedAt, last?.startedAt]).toContain(
      (begun['round'] as { startedAt: string }).startedAt,
    );
    await RegistryClient.joined(server, { name });
    await this.#do('DELETE /api/v1/clients/:client', `/api/v1/clients/${name}`);
    expect((await this.#catalog.clients.list()).some(isActive)).toBe(false);
    const client = await RegistryClient.joined(server, { name: `${name}2` });
    await this.#do('DELETE /1.0/certificates/:fingerprint', `/1.0/certificates/${client.fingerprint}`);
    expect((await client.get('/1.0')).metadata).toMatchObject({ auth: 'untrusted' });

    const runs = '/api/v1/mirrors/zqmirror/runs';
    await this.#do('POST /api/v1/mirrors/:mirror/runs', runs, {});
    const outcome = async () => {
      const { body } = await this.#identity.send('GET', '/api/v1/mirrors/zqmirror');
      return (JSON.parse(body) as { runs: { outcome: string }[] }).runs.at(0)?.outcome;
    };
    // The upstream has nothing.
    await expect.poll(outcome).toBe('failed');
  }

  /** A client gives up its own place. */
  async leave(fingerprint: string): Promise<void> {
    await this.#do('DELETE /1.0/certificates/:fingerprint', `/1.0/certificates/${fingerprint}`);
    const answer = await this.#identity.send('GET', '/1.0');
    expect(JSON.parse(answer.body)).toMatchObject({ metadata: { auth: 'untrusted' } });
  }
}

/** One identity of each kind that may change something, where it publishes, and where what it pushes goes. */
const changing = [
  ['token basic', 'tenanta', 'tenanta'],
  ['token admin all', 'images', 'pushed'],
  ['client pusher', 'pushed', 'pushed'],
  ['client administrator', 'images', 'pushed'],
] as const;

test('what an identity may change it does change, on every route', async () => {
  const world = await createWorld();
  const identities = await createIdentities(world);
  const unsafe = Object.keys(routes).filter((route) => !/^(GET|HEAD) /.test(route));
  for (const [index, [name, stream, pushedTo]] of changing.entries()) {
    const identity = identities.find((each) => each.name === name);
    if (identity === undefined) throw new Error(`there is no ${name}`);
    const changes = new Changes(world, identity, { stream, pushedTo, own: 'abcd'.charAt(index) });
    await changes.publishAndRemove();
    await changes.pushAndDelete();
    if (identity.isAdministrator) await changes.administrate();
    else if (identity.kind === 'client') {
      const clients = await world.server.workspace.catalog.clients.list();
      await changes.leave(clients.find((client) => client.name === 'pusher')?.fingerprint ?? '');
    }
    const permitted = unsafe.filter((route) => {
      // To join is what a client does before it is an identity (below).
      if (route === 'POST /1.0/certificates') return false;
      // Bundles need a signing key and another site, and have tests of their own (test/http/api).
      if (/ \/api\/v1\/(bundles\/:site|mirrors\/:mirror\/bundle)$/.test(route)) return false;
      // The clients of this protocol have tests of their own (test/http/oci).
      if (/ \/v2\//.test(route)) return false;
      // A token owns no client.
      const isOwnCertificate =
        route === 'DELETE /1.0/certificates/:fingerprint' && identity.kind === 'client';
      return identity.isAdministrator || isOwnCertificate || !isAdministration(route);
    });
    expect([...new Set(changes.done)].sort(), identity.name).toEqual(permitted.sort());
  }
  const client = await RegistryClient.create(world.server);
  expect(await client.join({ trust_token: await joinSecret(world.server) })).toMatchObject({ status: 201 });
  expect((await client.get('/1.0')).metadata).toMatchObject({ auth: 'trusted' });
}, 60_000);

function isAdministration(route: string): boolean {
  return routes[route]?.needs === 'admin' || route === 'DELETE /1.0/certificates/:fingerprint';
}
