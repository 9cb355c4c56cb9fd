import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { Catalog } from '../../src/catalog/catalog.ts';
import type { Actor } from '../../src/catalog/database/audit-record.ts';
import type { PushDraft } from '../../src/catalog/images/pushed.ts';
import { unlimited } from '../../src/model/rights.ts';
import type { VersionDraft } from '../../src/model/versions.ts';
import type { Workspace } from '../../src/server/workspace.ts';

/** Who makes the changes of tests. */
export const testActor: Actor = { who: 'local:test', from: 'command line', permit: unlimited };

/** The same workspace, in which tests make changes without limits. */
export function asTestActor(workspace: Workspace): Workspace {
  const { catalog, destination } = workspace;
  return { ...workspace, catalog: catalog.by(testActor), destination: destination.by(testActor) };
}

/** A directory that goes when the test is over. */
export async function scratchDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'headwater-test-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** An empty catalog on disk. */
export async function scratchCatalog(): Promise<Catalog> {
  return await openCatalog(join(await scratchDirectory(), 'catalog.db'));
}

/** A catalog on disk that may be changed without limits, closed when the test is over. */
export async function openCatalog(file: string): Promise<Catalog> {
  const catalog = await Catalog.open(file);
  onTestFinished(() => catalog.close());
  return catalog.by(testActor);
}

/** Says that every blob is in the store. */
export const stored = () => Promise.resolve();

/** A version of a split image, whose bytes are made up from its name and serial. */
export function draft(
  changes: Partial<Omit<VersionDraft, 'aliases'>> & {
    os?: string;
    architecture?: string;
    /** Refused when another product has them. */
    aliases?: string[];
    /** Left out when another product has them. */
    implied?: string[];
  } = {},
): VersionDraft {
  const { os = 'debian', architecture = 'amd64', aliases = [], implied = [], ...rest } = changes;
  const product = { os, release: 'bookworm', architecture, variant: 'default' };
  const serial = rest.serial ?? '20260101_0000';
  const name = JSON.stringify([rest.product ?? product, serial]);
  return {
    product,
    stream: 'images',
    owner: 'local',
    details: { osTitle: 'Debian', releaseTitle: 'bookworm', requirements: {} },
    aliases: [
      ...aliases.map((name) => ({ name, ifTaken: 'refuse' as const })),
      ...implied.map((name) => ({ name, ifTaken: 'withhold' as const })),
    ],
    label: 'release',
    items: [
      { file: 'lxd.tar.xz', type: 'metadata', digest: sha256(`${name} metadata`), size: 700 },
      {
        file: 'rootfs.squashfs',
        type: 'squashfs',
        digest: sha256(`${name} root`),
        size: 4096,
        fingerprint: sha256(`${name} both`),
      },
    ],
    ...rest,
    serial,
  };
}

/** A pushed container whose bytes are made up from its name. */
export function pushDraft(name: string, changes: Partial<PushDraft> = {}): PushDraft {
  const fingerprint = sha256(`${name} both`);
  return {
    stream: 'pushed',
    architecture: 'amd64',
    details: { osTitle: 'Ubuntu', releaseTitle: 'jammy', releaseShown: 'jammy', requirements: {} },
    fingerprint,
    items: [
      { file: 'lxd.tar.xz', type: 'metadata', digest: sha256(`${name} metadata`), size: 700 },
      { file: 'rootfs.squashfs', type: 'squashfs', digest: sha256(name), size: 4096, fingerprint },
    ],
    aliases: [],
    hidden: false,
    pushed: {
      properties: { os: 'Ubuntu', release: 'jammy' },
      profiles: ['default'],
      filename: '',
      autoUpdate: false,
      createdAt: new Date('2026-03-01T12:00:00Z'),
      pushedBy: 'client:ann',
    },
    ...changes,
  };
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
