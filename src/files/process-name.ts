import { hash, randomUUID } from 'node:crypto';
import { readFile, readlink, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { codeOf } from '../errors.ts';

// Unfinished writes and leases carry the name of their process, so that those of a killed process can be told from those of
// a running one, on this machine or on another one that shares the store.

/** Milliseconds after which a write is taken for abandoned when its process cannot be looked at. */
export const abandonedAfter = 24 * 60 * 60 * 1000;

/** Where a process runs; {@link unknown} for what the system does not say. */
interface Place {
  /** Host name and machine id. */
  machine: string;
  /** Changes each time the kernel starts. */
  boot: string;
  /** Process ids mean something only within one: containers of one machine each have their own. */
  namespace: string;
}

const unknown = '00000000';

const name =
  /^([0-9a-f]{8})\.([0-9a-f]{8})\.(\d+)\.(\d+)\.(\d+)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

let place: Promise<Place> | undefined;
let ownStart: Promise<string | undefined> | undefined;

/** A new name that says which process uses it, for an unfinished write or a lease. */
export async function processName(): Promise<string> {
  const { machine, boot, namespace } = await here();
  ownStart ??= startOf(process.pid);
  const start = (await ownStart) ?? '0';
  return `${machine}.${boot}.${namespace}.${process.pid}.${start}-${randomUUID()}`;
}

/**
 * Identifies a file among those of all machines: processes that get the same text use the same file of the same running
 * system.
 */
export async function identityOfFile(path: string): Promise<string> {
  const { dev, ino } = await stat(path);
  const { machine, boot } = await here();
  return `${boot === unknown ? machine : boot}:${dev}:${ino}`;
}

/**
 * Whether a write was abandoned: its process has ended, or cannot be looked at and the write is old.
 * False for a name that {@link processName} did not make.
 * @param modified when the write was last seen to move
 */
export async function isAbandoned(staged: string, modified: Date): Promise<boolean> {
  const [, machine, boot, namespace, pid, start] = name.exec(staged) ?? [];
  if (pid === undefined) return false;
  const own = await here();
  if (same(own.boot, boot) && same(own.namespace, namespace)) return (await startOf(Number(pid))) !== start;
  // The same machine has been restarted since, which no process survives.
  if (same(own.machine, machine) && own.boot !== unknown && own.boot !== boot) return true;
  return Date.now() - modified.getTime() > abandonedAfter;
}

function same(own: string, other: string | undefined): boolean {
  return own !== unknown && own === other;
}

function here(): Promise<Place> {
  place ??= look();
  return place;
}

async function look(): Promise<Place> {
  const machineId = await readIfAny('/etc/machine-id');
  const bootId = await readIfAny('/proc/sys/kernel/random/boot_id');
  const link = await readlink('/proc/self/ns/pid').catch(() => '');
  return {
    machine: machineId === '' ? unknown : shortHash(`${hostname()}\n${machineId}`),
    boot: bootId === '' ? unknown : shortHash(bootId),
    namespace: /\d+/.exec(link)?.[0] ?? unknown,
  };
}

async function readIfAny(path: string): Promise<string> {
  return await readFile(path, 'utf8').catch(() => '');
}

function shortHash(text: string): string {
  return hash('sha256', text).slice(0, 8);
}

/** When a process was started, in ticks since the kernel was; undefined when it has ended (proc(5): stat). */
async function startOf(pid: number): Promise<string | undefined> {
  let stat: string;
  try {
    stat = await readFile(`/proc/${pid}/stat`, 'latin1');
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ESRCH') return undefined;
    throw error;
  }
  // The second field is the program's name in brackets and may hold anything: count from behind it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state] = fields;
  return state === 'Z' || state === 'X' ? undefined : fields[19];
}
