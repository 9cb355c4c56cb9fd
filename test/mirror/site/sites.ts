import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { beginBundle, writeBundle } from '../../../src/bundle/create/create.ts';
import { planBundle } from '../../../src/bundle/create/plan.ts';
import { selectState } from '../../../src/bundle/create/state.ts';
import { bundleStream } from '../../../src/bundle/create/stream.ts';
import type { Manifest } from '../../../src/bundle/format/manifest-schema.ts';
import { type BundleSource, openDirectory, openStream } from '../../../src/bundle/import/bundle-source.ts';
import type { WrittenBundle } from '../../../src/catalog/bundles/bundles.ts';
import type { SiteMirror } from '../../../src/config/sites/site-mirror-schema.ts';
import { createKey } from '../../../src/keys/create-key.ts';
import { armoredSignature } from '../../../src/keys/key-file.ts';
import { publish as publishKeys } from '../../../src/keys/key-ring.ts';
import { KeySigner } from '../../../src/keys/signer.ts';
import type { MirrorServices } from '../../../src/mirror/mirror-services.ts';
import type { RunResult } from '../../../src/mirror/run/report.ts';
import { type ImportOptions, importBundle } from '../../../src/mirror/site/import.ts';
import { siteSignature } from '../../../src/mirror/site/site-signature.ts';
import { publish } from '../../../src/publish/publisher.ts';
import type { PublishRequest } from '../../../src/publish/request.ts';
import { scratchDirectory } from '../../support/catalog.ts';
import { makeSmallImage } from '../../support/small-images.ts';
import { mirrorServices } from '../workspace.ts';

export const bookworm = 'debian:bookworm:amd64:default';
export const trixie = 'debian:trixie:amd64:default';

/** A bundle on a medium. */
export interface TestBundle {
  /** Its directory. */
  path: string;
  manifest: Manifest;
  written: WrittenBundle;
}

/** A site that writes bundles for `vault-7`. */
export class SendingSite {
  readonly services: MirrorServices;
  /** Its public key. */
  readonly keyring: string;
  readonly #sign: (bytes: Uint8Array) => Promise<string>;

  private constructor(
    services: MirrorServices,
    keyring: string,
    sign: (bytes: Uint8Array) => Promise<string>,
  ) {
    this.services = services;
    this.keyring = keyring;
    this.#sign = sign;
  }

  static async make(): Promise<SendingSite> {
    const { key } = await createKey({ name: 'hq', rsa: false }, new Date('2026-01-01'));
    const keyring = join(await scratchDirectory(), 'hq.gpg');
    await writeFile(keyring, (await publishKeys([key])).binary);
    const signer = await KeySigner.open(key, undefined);
    const sign = async (bytes: Uint8Array) => await armoredSignature(await signer.detached(bytes));
    return new SendingSite(await mirrorServices(), keyring, sign);
  }

  /** Publishes a version. @param size bytes of its root, about */
  async publish(release: string, serial: string, request: Partial<PublishRequest> = {}, size = 300_000) {
    const image = await makeSmallImage({ serial, size, properties: { release } });
    return await publish(this.services.destination, {
      files: [
        { from: 'disk', name: 'lxd.tar.xz', path: image.metadata },
        { from: 'disk', name: 'rootfs.squashfs', path: image.root },
      ],
      ...request,
    });
  }

  async remove(product: string, serial: string): Promise<void> {
    await this.services.catalog.versions.remove({ stream: 'images', name: product }, serial);
  }

  /**
   * Writes the next bundle.
   * @param options.limit bytes of a volume
   * @param options.change makes another manifest of the planned one
   */
  async write(
    options: {
      to?: string;
      streams?: string[];
      limit?: number;
      since?: 'sent' | 'nothing';
      /** What the site has: sequences by digest (`sha256:…`). Takes the place of `since`. */
      base?: ReadonlyMap<string, number>;
      created?: Date;
      change?: (manifest: Manifest) => Manifest;
    } = {},
  ): Promise<TestBundle> {
    const { catalog } = this.services;
    const { to = 'vault-7', limit = 2 ** 32, streams = ['images'], since = 'sent' } = options;
    const sent = (await catalog.bundles.list(to)).filter(({ finishedAt }) => finishedAt !== undefined);
    const last = sent.at(-1);
    const base = since === 'nothing' ? new Map<string, number>() : await catalog.bundles.carried(to);
    const planned = planBundle(await selectState(this.services, { streams, keep: {}, now: new Date() }), {
      ...{ site: 'hq', to, sequence: (last?.sequence ?? 0) + 1, previous: last?.identity ?? null },
      ...{ created: options.created ?? new Date(), limit },
      sent: options.base ?? new Map([...base].map(([digest, sequence]) => [`sha256:${digest}`, sequence])),
    });
    const services = { ...this.services, sign: this.#sign };
    const written = await beginBundle(options.change?.(planned) ?? planned, services);
    const medium = await scratchDirectory();
    const { directory, manifest } = await writeBundle(written, medium, services);
    await catalog.bundles.finish(written);
    return { path: directory, manifest, written };
  }

  /** The next bundle as a stream. */
  async stream(): Promise<Buffer> {
    const { written } = await this.write({ limit: Number.POSITIVE_INFINITY });
    const chunks: Buffer[] = [];
    for await (const chunk of bundleStream(written, this.services).chunks) chunks.push(Buffer.from(chunk));
    return Buffer.concat(chunks);
  }

  /** Writes volumes of an earlier bundle once more. */
  async again({ written }: TestBundle, volumes: number[]): Promise<string> {
    const medium = await scratchDirectory();
    const services = { ...this.services, sign: this.#sign };
    return (await writeBundle(written, medium, services, { volumes })).directory;
  }
}

/** A site that imports the bundles of another one. */
export class ReceivingSite {
  readonly services: MirrorServices;
  readonly definition: SiteMirror;

  private constructor(services: MirrorServices, definition: SiteMirror) {
    this.services = services;
    this.definition = definition;
  }

  static async make(from: SendingSite, changes: Partial<SiteMirror> = {}): Promise<ReceivingSite> {
    return new ReceivingSite(await mirrorServices(), siteDefinition({ keyring: from.keyring, ...changes }));
  }

  /** The same data with another definition. */
  with(changes: Partial<SiteMirror>): ReceivingSite {
    return new ReceivingSite(this.services, { ...this.definition, ...changes });
  }

  /** Opens a bundle, as the commands do. */
  async open(bundle: TestBundle | string | Buffer): Promise<BundleSource> {
    const check = await siteSignature(this.definition);
    const source = Buffer.isBuffer(bundle)
      ? await openStream(inChunks(bundle), 'standard input', check)
      : await openDirectory(typeof bundle === 'string' ? bundle : bundle.path, check);
    onTestFinished(() => source.close());
    return source;
  }

  async import(
    bundle: TestBundle | string | Buffer,
    options: ImportOptions = {},
  ): Promise<RunResult & { error?: unknown }> {
    return await importBundle(this.definition, await this.open(bundle), this.services, options);
  }

  /** Everything that clients see: versions, their files, aliases and details. */
  async shown(): Promise<unknown[]> {
    const shown: unknown[] = [];
    for await (const { versions, ...product } of this.services.catalog.products.each()) {
      shown.push({ ...product, versions: versions.map(({ publishedAt: _, ...version }) => version) });
    }
    return shown;
  }

  /** The versions that clients see: `PRODUCT@SERIAL`. */
  async versions(): Promise<string[]> {
    const held: string[] = [];
    for await (const { name, versions } of this.services.catalog.products.each()) {
      held.push(...versions.map(({ serial }) => `${name}@${serial}`));
    }
    return held;
  }
}

/** A definition with nothing special in it. */
export function siteDefinition(changes: Partial<SiteMirror>): SiteMirror {
  return {
    ...{ name: 'hq', file: 'mirrors/hq.yaml', enabled: true, site: 'hq' },
    ...{ upstreams: { '*': { proof: 'site' as const } }, streams: {}, select: [{}], keep: {} },
    ...{ removed: 'keep' as const, withdrawn: 'retire' as const, maxShrink: 50 },
    ...changes,
  };
}

/** Bytes as a pipe gives them. */
async function* inChunks(bytes: Buffer, size = 65_536): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
