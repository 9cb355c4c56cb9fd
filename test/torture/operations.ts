import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { multipart } from '../support/push-images.ts';
import type { Answer } from './client.ts';
import { makeTrialImage, type TrialImage, writeTrialImage } from './image.ts';
import { type Entry, entryOf, keyOf } from './ledger.ts';
import type { Running } from './processes.ts';
import type { Random } from './random.ts';
import type { Site } from './site.ts';

/** Does one thing. @returns whether it was acknowledged */
type Operation = (site: Site, random: Random) => Promise<boolean>;

/** How often each is done, in proportion. */
const operations: readonly [weight: number, operation: Operation][] = [
  [5, publishOverHttp],
  [3, publishByCommand],
  [3, push],
  [1, mirror],
  [2, removeOverHttp],
  [1, removeByCommand],
  [2, setAlias],
  [1, createToken],
];

/** Milliseconds that a command has at most until it is killed. */
const patience = 900;

/** Does one thing after the other until it is told to stop. */
export async function work(site: Site, random: Random, stopped: AbortSignal): Promise<void> {
  const all = operations.flatMap(([weight, operation]) => Array.from({ length: weight }, () => operation));
  while (!stopped.aborted) {
    try {
      if (await random.pick(all)(site, random.fork())) site.tally.acknowledged++;
      else site.tally.refused++;
    } catch {
      // The server went away before it answered.
      site.tally.unanswered++;
      await sleep(20);
    }
  }
}

/** Publishes an image, which must be possible. @throws Error with the answer when it is not */
export async function publishSurely(site: Site, random: Random): Promise<void> {
  for (let tries = 3; ; tries--) {
    const { answer } = await publish(site, await newImage(site, random));
    if (isGood(answer)) return;
    // On a busy machine an upload may wait longer than the grace period of a trial, and is collected then.
    if (answer.status === 404 && tries > 1) continue;
    throw new Error(`another publish: ${answer.status} ${answer.body.toString()}`);
  }
}

/** Removes a version, which must be possible. @throws Error with the answer when it is not */
export async function removeSurely(site: Site, random: Random): Promise<void> {
  const entry = random.pick([undefined, ...site.ledger.idle()]);
  if (entry === undefined) return;
  const { product, serial } = entry.image;
  const answer = await during(site, entry, 'absent', async () => {
    const removed = await site.client.request('DELETE', `/api/v1/products/${product}/versions/${serial}`);
    return { ...removed, done: isGood(removed) };
  });
  if (!answer.done) throw new Error(`remove: ${answer.status} ${answer.body.toString()}`);
}

async function publishOverHttp(site: Site, random: Random): Promise<boolean> {
  return noted(site, 'publish', (await publish(site, await newImage(site, random))).answer);
}

/** Publishes an image over HTTP. */
export async function publish(site: Site, image: TrialImage): Promise<{ answer: Answer; done: boolean }> {
  const entry = entryOf(image);
  site.ledger.versions.set(keyOf(image), entry);
  return await during(site, entry, 'present', async () => {
    for (const [file, query] of [
      [image.metadata, ''],
      [image.root, `?metadata=sha256:${image.metadata.digest}`],
    ] as const) {
      const path = `/api/v1/blobs/sha256:${file.digest}${query}`;
      const answer = await site.client.request('PUT', path, { body: file.bytes });
      if (!isGood(answer)) return { answer, done: false };
    }
    const files = [image.metadata, image.root].map(({ digest }) => ({ digest: `sha256:${digest}` }));
    const answer = await site.client.request('POST', '/api/v1/versions', { json: { files } });
    return { answer, done: isGood(answer) };
  });
}

async function publishByCommand(site: Site, random: Random): Promise<boolean> {
  const image = await newImage(site, random);
  const directory = join(site.directory, `image-${image.serial}`);
  const files = await writeTrialImage(directory, image);
  const entry = entryOf(image);
  site.ledger.versions.set(keyOf(image), entry);
  const remote = random.chance(0.3);
  const done = await during(site, entry, 'present', () =>
    commandDone(site, random, site.command(['publish', ...files], { remote })),
  );
  await rm(directory, { recursive: true });
  return done.done;
}

async function push(site: Site, random: Random): Promise<boolean> {
  const image = await newImage(site, random);
  const entry = entryOf(image);
  const fingerprint = createHash('sha256')
    .update(image.metadata.bytes)
    .update(image.root.bytes)
    .digest('hex');
  site.ledger.pushes.set(fingerprint, entry);
  const { body, contentType } = multipart([
    ['metadata', image.metadata.bytes],
    ['rootfs', image.root.bytes],
  ]);
  const headers = {
    'content-type': contentType,
    'x-lxd-public': 'true',
    'x-lxd-aliases': `alias=pushed-${image.serial}`,
  };
  const { answer } = await during(site, entry, 'present', async () => {
    const sent = await site.client.request('POST', '/1.0/images', { body, headers });
    return { answer: sent, done: sent.status === 202 };
  });
  return noted(site, 'push', answer);
}

async function mirror(site: Site, random: Random): Promise<boolean> {
  if (random.chance(0.5)) await site.offer(random);
  const offered = Object.entries(site.upstream.products).flatMap(([product, { versions }]) =>
    Object.keys(versions).map((serial) => `${product}@${serial}`),
  );
  const { done } = await commandDone(site, random, site.command(['mirror', 'run']));
  if (done) for (const name of offered) site.ledger.mirrored.add(name);
  return done;
}

async function removeOverHttp(site: Site, random: Random): Promise<boolean> {
  const entry = oneToRemove(site, random);
  if (entry === undefined) return true;
  const { product, serial } = entry.image;
  const { answer } = await during(site, entry, 'absent', async () => {
    const removed = await site.client.request('DELETE', `/api/v1/products/${product}/versions/${serial}`);
    return { answer: removed, done: isGood(removed) };
  });
  return noted(site, 'remove', answer);
}

async function removeByCommand(site: Site, random: Random): Promise<boolean> {
  const entry = oneToRemove(site, random);
  if (entry === undefined) return true;
  const { release, serial } = entry.image;
  const args = ['remove', `torture/${release}@${serial}`];
  return (await during(site, entry, 'absent', () => commandDone(site, random, site.command(args)))).done;
}

async function setAlias(site: Site, random: Random): Promise<boolean> {
  const { ledger } = site;
  const entry = random.pick([undefined, ...ledger.idle()]);
  const name = `team/${random.pick(['base', 'next'])}`;
  // Two at a time would leave open which was the last.
  if (entry === undefined || ledger.movingAliases.has(name)) return true;
  ledger.movingAliases.add(name);
  try {
    const { release } = entry.image;
    const targets = ledger.aliases.get(name) ?? new Set([undefined]);
    ledger.aliases.set(name, targets.add(release));
    const json = { os: 'torture', release, variant: 'default' };
    const answer = await site.client.request('PUT', `/api/v1/aliases/${encodeURIComponent(name)}`, { json });
    if (isGood(answer)) ledger.aliases.set(name, new Set([release]));
    return noted(site, 'alias', answer);
  } finally {
    ledger.movingAliases.delete(name);
  }
}

async function createToken(site: Site): Promise<boolean> {
  const name = `token-${++site.ledger.images}`;
  const states = new Set<'present' | 'absent'>(['absent', 'present']);
  site.ledger.tokens.set(name, states);
  const answer = await site.client.request('POST', '/api/v1/tokens', { json: { name } });
  if (isGood(answer)) states.delete('absent');
  return noted(site, 'token', answer);
}

export async function newImage(site: Site, random: Random): Promise<TrialImage> {
  return await makeTrialImage(random, ++site.ledger.images);
}

/** One that may go; some always stay. */
function oneToRemove(site: Site, random: Random): Entry | undefined {
  const idle = site.ledger.idle();
  return idle.length < 4 ? undefined : random.pick(idle);
}

/** Does something to an entry that leads to a state when it is done. */
async function during<Result extends { done: boolean }>(
  site: Site,
  entry: Entry,
  state: 'present' | 'absent',
  act: () => Promise<Result>,
): Promise<Result> {
  const attempt = site.ledger.attempt(entry, state);
  try {
    if (state === 'absent') mayLoseAliases(site, entry);
    const result = await act();
    if (result.done) attempt.acknowledged();
    return result;
  } finally {
    // One that was set in the meantime may go, too.
    if (state === 'absent') mayLoseAliases(site, entry);
    attempt.over();
  }
}

/** The last version of a product takes the aliases with it that point to the product. */
function mayLoseAliases({ ledger }: Site, { image }: Entry): void {
  for (const targets of ledger.aliases.values()) if (targets.has(image.release)) targets.add(undefined);
}

/** Waits for a command, or kills it at some moment. @throws Error when it was killed */
async function commandDone(site: Site, random: Random, running: Running): Promise<{ done: boolean }> {
  if (site.killCommands && random.chance(0.6)) {
    const moment = random.whole(0, patience);
    await Promise.race([sleep(moment), running.ended]);
    if (running.kill()) site.tally.kills++;
  }
  const { code, stderr } = await running.ended;
  if (code === null) throw new Error('killed');
  // 1 is a defect of Headwater, whatever happened to it.
  if (code === 1) site.problems.push(`a command ended with 1: ${stderr}`);
  return { done: code === 0 };
}

function noted(site: Site, what: string, answer: Answer): boolean {
  if (answer.status === 500) site.problems.push(`${what}: 500 ${answer.body.toString()}`);
  return isGood(answer);
}

function isGood({ status }: Answer): boolean {
  return status >= 200 && status < 300;
}
