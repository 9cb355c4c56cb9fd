import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, mkdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { attempt } from './command.ts';
import { packMetadata, smallRoot } from './small-images.ts';

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
  await mkdir(directory, { recursive: true });
  const metadata = {
    architecture: image.architecture ?? 'amd64',
    creation_date: 1767322800,
    properties: image.properties,
  };
  const files: [string, string] = [
    path.join(directory, 'metadata.tar.xz'),
    path.join(directory, 'rootfs.squashfs'),
  ];
  await writeFile(files[0], await packMetadata(stringify(metadata)));
  await writeFile(files[1], smallRoot(image.bytes ?? 65_536));
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
