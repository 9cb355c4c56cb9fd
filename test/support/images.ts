import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { attempt, run } from './command.ts';

/** The serial of every image that `make-images.sh` makes but the one in `newer/`. */
export const imageSerial = '20260102_0304';
/** The serial of `newer/`. */
export const newerSerial = '20260203_0405';

const script = fileURLToPath(new URL('./make-images.sh', import.meta.url));

/**
 * The directory with Debian's images in every form (`make-images.sh` says which). They are made once per machine,
 * in half a minute, and again when the script has changed. Needs root and `.ci/install`.
 */
export async function debianImages(): Promise<string> {
  const recipe = createHash('sha256')
    .update(await readFile(script))
    .digest('hex');
  const directory = path.join(tmpdir(), 'headwater-test-images', recipe.slice(0, 16));
  const made = await access(directory).then(
    () => true,
    () => false,
  );
  if (!made) {
    const result = await attempt(script, [directory]);
    // Another test run may have finished first: the directory appears at once and whole.
    if (result.code !== 0) {
      await access(directory).catch(() => {
        throw new Error(`${script} failed:\n${result.stdout}${result.stderr}`);
      });
    }
  }
  return directory;
}

/** What `smallImage` writes into metadata.yaml, as YAML has it: numbers stay numbers. */
export interface SmallImage {
  architecture?: string;
  properties: Record<string, unknown>;
  /** Size of the random file that makes up the root; 64 KiB when left out. */
  bytes?: number;
}

/**
 * Makes a split image that nobody can boot, in a moment: `metadata.tar.xz` and `rootfs.squashfs` in `directory`,
 * with bytes that no other image has.
 * @returns the two files, metadata first
 */
export async function smallImage(directory: string, image: SmallImage): Promise<[string, string]> {
  const root = path.join(directory, 'root');
  for (const folder of ['bin', 'etc']) await mkdir(path.join(root, folder), { recursive: true });
  await writeFile(path.join(root, 'random'), randomBytes(image.bytes ?? 65_536));
  const metadata = {
    architecture: image.architecture ?? 'amd64',
    creation_date: 1767322800,
    properties: image.properties,
  };
  await writeFile(path.join(directory, 'metadata.yaml'), stringify(metadata));
  const files: [string, string] = [
    path.join(directory, 'metadata.tar.xz'),
    path.join(directory, 'rootfs.squashfs'),
  ];
  await run('tar', ['-C', directory, '-cJf', files[0], 'metadata.yaml']);
  const options = ['-noappend', '-quiet', '-no-progress', '-noI', '-noD', '-noF'];
  await run('mksquashfs', [root, files[1], ...options]);
  await rm(root, { recursive: true });
  return files;
}

/** SHA-256, in hexadecimal, of the bytes of several files one after the other. */
export async function digestOf(...files: string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const file of files) {
    await pipeline(createReadStream(file), hash, { end: false });
  }
  return hash.digest('hex');
}
