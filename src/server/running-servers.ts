import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import type { Config } from '../config/schema.ts';
import { codeOf } from '../errors.ts';
import { abandonedAfter, isAbandoned, processName } from '../files/process-name.ts';
import { compareText } from '../model/compare.ts';
import { defined } from '../model/defined.ts';

// Each running server leaves a record in its data directory, so that commands on the same directory know where it
// listens, whatever flags or environment it was started with. The record's name tells whether its process still runs.

const record = z.object({
  startedAt: z.string(),
  listen: z.object({ address: z.string(), port: z.number() }),
  publicUrl: z.string().optional(),
  tls: z.union([z.enum(['self-signed', 'off']), z.object({ certificate: z.string(), key: z.string() })]),
});

/** The address of a running server and its certificate: its settings, with its actual port. */
export type ServerRecord = Pick<Config, 'listen' | 'publicUrl' | 'tls'>;

const recordSuffix = '.json';

/**
 * Records that this process serves a data directory.
 * @param onProblem told when the record cannot be written or removed: the server works without it
 * @returns a function that removes the record
 */
export async function recordServer(
  dataDir: string,
  server: ServerRecord,
  onProblem: (error: unknown) => void,
): Promise<() => Promise<void>> {
  try {
    return await writeRecord(directoryOf(dataDir), server, onProblem);
  } catch (error) {
    onProblem(error);
    return () => Promise.resolve();
  }
}

async function writeRecord(
  directory: string,
  { listen, publicUrl, tls }: ServerRecord,
  onProblem: (error: unknown) => void,
): Promise<() => Promise<void>> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await removeAbandoned(directory);
  const file = join(directory, `${await processName()}${recordSuffix}`);
  const text = JSON.stringify({ startedAt: new Date().toISOString(), listen, publicUrl, tls });
  await writeFile(`${file}.new`, text, { mode: 0o600 });
  await rename(`${file}.new`, file);
  // If its process cannot be checked (another container), a record counts while it is young.
  const timer = setInterval(() => {
    const now = new Date();
    utimes(file, now, now).catch(onProblem);
  }, abandonedAfter / 24);
  timer.unref();
  return async () => {
    clearInterval(timer);
    await rm(file, { force: true }).catch(onProblem);
  };
}

/** The servers that run on a data directory, the one that started last first. */
export async function runningServers(dataDir: string): Promise<ServerRecord[]> {
  const directory = directoryOf(dataDir);
  const servers: z.infer<typeof record>[] = [];
  for (const name of await namesIn(directory)) {
    if (!name.endsWith(recordSuffix) || (await isOver(directory, name))) continue;
    const server = await read(join(directory, name));
    if (server !== undefined) servers.push(server);
  }
  return servers
    .sort((one, other) => compareText(other.startedAt, one.startedAt))
    .map(({ listen, publicUrl, tls }) => ({
      listen,
      tls,
      ...defined({ publicUrl }),
    }));
}

function directoryOf(dataDir: string): string {
  return join(dataDir, 'servers');
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}

async function removeAbandoned(directory: string): Promise<void> {
  for (const name of await namesIn(directory)) {
    if (await isOver(directory, name)) await rm(join(directory, name), { force: true });
  }
}

/** Whether the server of a record has ended. */
async function isOver(directory: string, name: string): Promise<boolean> {
  try {
    const { mtime } = await stat(join(directory, name));
    return await isAbandoned(name.replace(/\.json(\.new)?$/, ''), mtime);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return true;
    throw error;
  }
}

/** A record; undefined when its server has just ended, or when another version of Headwater wrote something else. */
async function read(file: string): Promise<z.infer<typeof record> | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return record.safeParse(JSON.parse(text)).data;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
