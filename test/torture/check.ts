import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import type { Entry } from './ledger.ts';
import { publishSurely } from './operations.ts';
import type { Random } from './random.ts';
import type { Site } from './site.ts';

interface DocumentItem {
  path: string;
  sha256: string;
  size: number;
}

/** A version as documents list it. */
interface Announced {
  items: DocumentItem[];
}

/** What a server that was started after an event must show. @throws Error that says what is wrong */
export async function check(site: Site, random: Random): Promise<void> {
  checkDatabase(site);
  await checkReadiness(site);
  const announced = await readDocuments(site);
  await checkCatalog(site, announced);
  checkVersions(site, announced);
  await checkPushes(site);
  await checkAliases(site);
  await checkTokens(site);
  const missing = [...site.ledger.mirrored].filter((name) => !announced.has(name));
  if (missing.length > 0)
    throw new Error(`a finished mirror run brought ${missing.join(', ')}, which is lost`);
  await checkLeftovers(site);
  await publishSurely(site, random);
  if (site.problems.length > 0) throw new Error(site.problems.join('\n'));
}

function checkDatabase(site: Site): void {
  const database = new Sqlite(join(site.dataDir, 'catalog.db'), { readonly: true });
  try {
    const rows = [
      ...(database.pragma('integrity_check') as { integrity_check: string }[]).map(
        (row) => row.integrity_check,
      ),
      ...(database.pragma('foreign_key_check') as unknown[]).map((row) => JSON.stringify(row)),
    ];
    if (rows.join() !== 'ok') throw new Error(`the catalog is damaged: ${rows.join('; ')}`);
  } finally {
    database.close();
  }
}

async function checkReadiness(site: Site): Promise<void> {
  const answer = await site.client.get('/readyz');
  if (answer.status !== 200) throw new Error(`/readyz: ${answer.status} ${answer.body.toString()}`);
}

/** Reads every document, and every file that they name, which must be whole. @returns what they announce, by `product@serial` */
async function readDocuments(site: Site): Promise<Map<string, Announced>> {
  const announced = new Map<string, Announced>();
  const index = (await readJson(site, '/streams/v1/index.json')) as {
    index: Record<string, { path: string; products: string[] }>;
  };
  for (const { path, products } of Object.values(index.index)) {
    const document = (await readJson(site, `/${path}`)) as {
      products: Record<string, { versions: Record<string, { items: Record<string, DocumentItem> }> }>;
    };
    const listed = Object.keys(document.products);
    if (products.some((name) => !listed.includes(name))) {
      throw new Error(`the index names products that ${path} does not have`);
    }
    for (const [product, { versions }] of Object.entries(document.products)) {
      for (const [serial, { items }] of Object.entries(versions)) {
        announced.set(`${product}@${serial}`, { items: Object.values(items) });
      }
    }
  }
  for (const [name, { items }] of announced) {
    for (const item of items) await checkFile(site, name, item);
  }
  return announced;
}

async function readJson(site: Site, path: string): Promise<unknown> {
  const answer = await site.client.request('GET', path, { anonymous: true });
  if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${answer.body.toString()}`);
  return answer.json();
}

async function checkFile(site: Site, name: string, { path, sha256, size }: DocumentItem): Promise<void> {
  const answer = await site.client.request('GET', `/${path}`, { anonymous: true });
  const problem = `${name}: ${path}, which is announced:`;
  if (answer.status !== 200) throw new Error(`${problem} ${answer.status} ${answer.body.toString()}`);
  if (answer.body.length !== size) throw new Error(`${problem} ${answer.body.length} bytes of ${size}`);
  const digest = createHash('sha256').update(answer.body).digest('hex');
  if (digest !== sha256) throw new Error(`${problem} its bytes are not those of ${sha256}`);
}

/** The API and the documents must agree. */
async function checkCatalog(site: Site, announced: Map<string, Announced>): Promise<void> {
  const listed = new Set<string>();
  for (let after = ''; ; ) {
    const answer = await site.client.get(`/api/v1/products?limit=100${after}`);
    if (answer.status !== 200) throw new Error(`products: ${answer.status} ${answer.body.toString()}`);
    const page = answer.json() as {
      products: { name: string; versions: { serial: string }[] }[];
      next?: string;
    };
    for (const { name, versions } of page.products) {
      for (const { serial } of versions) listed.add(`${name}@${serial}`);
    }
    if (page.next === undefined) break;
    after = `&after=${encodeURIComponent(page.next)}`;
  }
  const differing = [
    ...[...listed].filter((name) => !announced.has(name)),
    ...[...announced.keys()].filter((name) => !listed.has(name)),
  ];
  if (differing.length > 0) throw new Error(`catalog and documents disagree about ${differing.join(', ')}`);
}

function checkVersions(site: Site, announced: Map<string, Announced>): void {
  for (const [name, entry] of site.ledger.versions) {
    const version = announced.get(name);
    observe(entry, version !== undefined, name);
    if (version === undefined) continue;
    const { metadata, root } = entry.image;
    const digests = new Set(version.items.map(({ sha256 }) => sha256));
    if (digests.size !== 2 || !digests.has(metadata.digest) || !digests.has(root.digest)) {
      throw new Error(`${name} has other files than were published`);
    }
  }
  for (const name of announced.keys()) {
    if (name.startsWith('torture:') && !site.ledger.versions.has(name)) {
      throw new Error(`${name} is announced, but was never published`);
    }
  }
}

async function checkPushes(site: Site): Promise<void> {
  for (const [fingerprint, entry] of site.ledger.pushes) {
    const answer = await site.client.get(`/1.0/images/${fingerprint}`);
    if (answer.status !== 200 && answer.status !== 404) {
      throw new Error(`image ${fingerprint}: ${answer.status} ${answer.body.toString()}`);
    }
    const isHere = answer.status === 200;
    observe(entry, isHere, `pushed image ${fingerprint}`);
    if (!isHere) continue;
    const alias = await site.client.get(`/1.0/images/aliases/pushed-${entry.image.serial}`);
    const { metadata } = alias.json() as { metadata: { target?: string } | null };
    if (metadata?.target !== fingerprint) {
      throw new Error(`pushed image ${fingerprint} is here without the alias that came with it`);
    }
  }
}

/** Compares what was found with what may be, and is sure of it from then on. */
function observe(entry: Entry, isHere: boolean, name: string): void {
  const state = isHere ? 'present' : 'absent';
  if (!entry.states.has(state)) {
    throw new Error(isHere ? `${name} is back after it was removed` : `${name} was acknowledged and is lost`);
  }
  entry.states = new Set([state] as const);
}

async function checkAliases(site: Site): Promise<void> {
  const answer = await site.client.get('/api/v1/aliases');
  const { aliases } = answer.json() as { aliases: { name: string; release?: string }[] };
  const found = new Map(aliases.map((alias) => [alias.name, alias.release]));
  for (const [name, targets] of site.ledger.aliases) {
    const release = found.get(name);
    if (!targets.has(release)) {
      throw new Error(`alias ${name} points to ${release}, not to ${[...targets].join(' or ')}`);
    }
    site.ledger.aliases.set(name, new Set([release]));
  }
}

async function checkTokens(site: Site): Promise<void> {
  const answer = await site.client.get('/api/v1/tokens');
  const { tokens } = answer.json() as { tokens: { name: string }[] };
  const names = new Set(tokens.map(({ name }) => name));
  for (const [name, states] of site.ledger.tokens) {
    const state = names.has(name) ? 'present' : 'absent';
    if (!states.has(state)) throw new Error(`token ${name} was made, and is lost`);
    site.ledger.tokens.set(name, new Set([state] as const));
  }
}

/** Nothing half written may stay; what arrived of an upload may wait for its sender. */
async function checkLeftovers(site: Site): Promise<void> {
  const staged = await filesIn(join(site.dataDir, 'staging'));
  if (staged.length > 0) throw new Error(`staging/ still has ${staged.join(', ')}`);
  const uploads = await filesIn(join(site.dataDir, 'uploads'));
  const strange = uploads.filter((name) => !/^[0-9a-f]{64}/.test(name));
  if (strange.length > 0) throw new Error(`uploads/ has ${strange.join(', ')}`);
}

async function filesIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}
