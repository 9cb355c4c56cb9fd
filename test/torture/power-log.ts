import { readFile } from 'node:fs/promises';

/** What a call did, as `power-failure.c` records it. */
export type Recorded = { at: number } & (
  | { kind: 'create'; path: string; inode: bigint; truncated: boolean }
  | { kind: 'write'; inode: bigint; offset: number; bytes: Buffer }
  | { kind: 'truncate'; inode: bigint; size: number }
  | { kind: 'rename'; from: string; to: string }
  | { kind: 'link'; to: string; inode: bigint }
  | { kind: 'unlink' | 'mkdir' | 'rmdir'; path: string }
  /** `covers`: everything that was recorded before this place of the log. */
  | { kind: 'sync-file'; inode: bigint; covers: number }
  | { kind: 'sync-directory'; path: string; covers: number }
  | { kind: 'sync-all'; covers: number }
);

const headerSize = 40;

/** Reads the records of a log, in their order. */
export async function readPowerLog(file: string): Promise<Recorded[]> {
  const log = await readFile(file);
  const records: Recorded[] = [];
  for (let at = 0; at + headerSize <= log.length; at += log.readUInt32LE(at)) {
    records.push(parse(log, at));
  }
  return records;
}

function parse(log: Buffer, at: number): Recorded {
  const inode = log.readBigUInt64LE(at + 8);
  const offset = Number(log.readBigUInt64LE(at + 16));
  const [first, second, size] = [24, 28, 32].map((field) => log.readUInt32LE(at + field)) as [
    number,
    number,
    number,
  ];
  const truncated = log.readUInt32LE(at + 36) !== 0;
  const start = at + headerSize;
  const path = log.toString('utf8', start, start + first);
  const to = log.toString('utf8', start + first, start + first + second);
  const bytes = log.subarray(start + first + second, start + first + second + size);
  const kind = log.readUInt32LE(at + 4);
  switch (kind) {
    case 1:
      return { at, kind: 'create', path, inode, truncated };
    case 2:
      return { at, kind: 'write', inode, offset, bytes };
    case 3:
      return { at, kind: 'truncate', inode, size: offset };
    case 4:
      return { at, kind: 'rename', from: path, to };
    case 5:
      return { at, kind: 'link', to, inode };
    case 6:
      return { at, kind: 'unlink', path };
    case 7:
      return { at, kind: 'mkdir', path };
    case 8:
      return { at, kind: 'rmdir', path };
    case 9:
      return { at, kind: 'sync-file', inode, covers: offset };
    case 10:
      return { at, kind: 'sync-directory', path, covers: offset };
    case 11:
      return { at, kind: 'sync-all', covers: offset };
    default:
      throw new Error(`the log of the power failure has a record of the unknown kind ${kind}`);
  }
}
