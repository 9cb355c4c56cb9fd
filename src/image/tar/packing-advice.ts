import type { TarEntry } from './tar.ts';

/** The number of directories at the top of an archive that are examined. */
const maxFoldersSeen = 100;

/** Recognizes archives that contain an image or were made from one, to advise how to publish it. */
export class PackingAdvice {
  #isBackup = false;
  /** Files at the top that are image files by their names. */
  #imageFile: string | undefined;
  /** The interesting members of each directory at the top. */
  readonly #folders = new Map<string, Set<string>>();

  visit({ name, type }: TarEntry): void {
    if (name === 'backup/index.yaml' || name.startsWith('backup/container/')) this.#isBackup = true;
    const [first = '', second, third] = name.split('/', 3);
    if (second === undefined) {
      if (type === 'file' && /\.(squashfs|qcow2|img|tar(\.\w+)?|tgz|txz)$/i.test(first))
        this.#imageFile ??= first;
      return;
    }
    if (!interestingNames.has(second)) return;
    const known = this.#folders.get(first);
    if (known !== undefined) known.add(second);
    else if (this.#folders.size < maxFoldersSeen) this.#folders.set(first, new Set([second]));
    if (third !== undefined && second === 'usr') this.#folders.get(first)?.add(`usr/${third}`);
  }

  /** Advice on how to make an image from the archive; undefined if there is none. */
  get text(): string | undefined {
    if (this.#isBackup) {
      return 'it is the backup of an instance ("lxc export", "incus export"), which is not an image: import it with "lxc import", make an image of the instance with "lxc publish" and give that here';
    }
    for (const [folder, has] of this.#folders) {
      const isImage = has.has('metadata.yaml') && (has.has('rootfs') || has.has('rootfs.img'));
      const isRoot =
        (has.has('bin') || has.has('sbin') || has.has('usr/bin')) && (has.has('etc') || has.has('usr'));
      if (!isImage && !isRoot) continue;
      const shown = JSON.stringify(folder.slice(0, 60));
      return `${isImage ? 'the image' : 'the root filesystem'} is in the folder ${shown}: pack it without the folder, with tar -C ${shown} … .`;
    }
    if (this.#imageFile === undefined) return undefined;
    return `it holds ${JSON.stringify(this.#imageFile.slice(0, 60))}, which looks like a file of an image: unpack the archive and publish the files that are in it`;
  }
}

const interestingNames = new Set(['metadata.yaml', 'rootfs', 'rootfs.img', 'bin', 'sbin', 'etc', 'usr']);
