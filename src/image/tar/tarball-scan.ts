import { HeadwaterError } from '../../errors.ts';
import { defined } from '../../model/defined.ts';
import type { Compression, Content } from '../content.ts';
import type { Violation } from '../image-rules.ts';
import { metadataTarballLimit, metadataYamlLimit } from '../limits.ts';
import { isQcow2 } from '../magic.ts';
import { type MetadataFile, readMetadataFile } from '../metadata/metadata.ts';
import { decodeMetadata } from '../metadata/metadata-text.ts';
import { TemplateTexts, templateFault } from '../metadata/template-fault.ts';
import { Qcow2Inspector, qcow2HeadLength } from '../qcow2/qcow2.ts';
import type { Member } from './member.ts';
import { MemberRules } from './member-rules.ts';
import { PackingAdvice } from './packing-advice.ts';
import { describeTop, namesInMessage, RootfsScan } from './rootfs.ts';
import type { EntrySink, TarEntry } from './tar.ts';

/** The number of bytes of such a name in a message. */
const nameLength = 60;

/** Determines the kind of a tarball while it is read. */
export class TarballScan {
  readonly #root = new RootfsScan();
  /** The members below rootfs/. */
  readonly #inner = new RootfsScan();
  readonly #rules = new MemberRules();
  readonly #top = new Set<string>();
  readonly #advice = new PackingAdvice();
  readonly #templates = new TemplateTexts();
  #metadata: MetadataFile | undefined;
  #container = false;
  #virtualMachine = false;
  #hasRootfsFile = false;
  #hasWhiteouts = false;

  /**
   * @returns the receiver of the entry's bytes, if they are needed
   * @throws HeadwaterError `invalid` for an entry that no image can have
   */
  visit(entry: TarEntry): EntrySink | undefined {
    this.#advice.visit(entry);
    const slash = entry.name.indexOf('/');
    const first = slash === -1 ? entry.name : entry.name.slice(0, slash);
    if (first !== '' && this.#top.size <= namesInMessage) {
      this.#top.add(first.slice(0, nameLength) + (slash === -1 && entry.type !== 'directory' ? '' : '/'));
    }
    this.#rules.visit(memberOf(entry));
    this.#hasWhiteouts ||= entry.name.startsWith('.wh.', entry.name.lastIndexOf('/') + 1);
    if (entry.name === 'metadata.yaml') return this.#visitMetadata(entry);
    if (entry.name === 'rootfs.img') return this.#visitDisk(entry);
    if (first === 'rootfs' && (slash !== -1 || entry.type === 'directory')) {
      this.#container = true;
      return slash === -1 ? undefined : this.#inner.visit({ ...entry, name: entry.name.slice(slash + 1) });
    }
    this.#hasRootfsFile ||= entry.name === 'rootfs' && entry.type === 'file';
    return this.#root.visit(entry) ?? this.#templates.visit(entry);
  }

  /**
   * The content of the tarball, after its last entry.
   * @param unpacked its unpacked size, in bytes
   * @throws HeadwaterError `invalid` if it is not a part of an image
   */
  content(compression: Compression, unpacked: number): Content {
    if (this.#metadata === undefined) {
      if (this.#root.isRoot) {
        const violations = judged(this.#rules.rootViolations);
        const whiteouts = this.#hasWhiteouts ? { whiteouts: true as const } : {};
        return { kind: 'rootfs-tarball', compression, found: this.#root.facts, ...whiteouts, ...violations };
      }
      throw new HeadwaterError(
        'invalid',
        `a tar archive without metadata.yaml, and no root filesystem: ${this.#advice.text ?? describeTop([...this.#top])}`,
      );
    }
    const { metadata, templates } = this.#metadata;
    const violations = judged(this.#rules.violations(templates));
    const fault = templateFault(templates, this.#rules, this.#templates);
    if (fault !== undefined) throw new HeadwaterError('invalid', fault);
    if (this.#hasRootfsFile) {
      throw new HeadwaterError(
        'invalid',
        'rootfs is a file in the archive: the daemons make a directory of this name',
      );
    }
    if (this.#container && this.#virtualMachine) {
      throw new HeadwaterError(
        'invalid',
        'a unified tarball with both rootfs/ and rootfs.img: leave one of them out',
      );
    }
    if (this.#container) {
      const { architecture } = this.#inner.facts;
      const programs = architecture === undefined ? {} : { programs: architecture };
      return { kind: 'unified', compression, metadata, type: 'container', ...programs, ...violations };
    }
    if (this.#virtualMachine) {
      return { kind: 'unified', compression, metadata, type: 'virtual-machine', ...violations };
    }
    if (this.#root.isRoot) {
      throw new HeadwaterError(
        'invalid',
        'metadata.yaml is beside the files of the root filesystem: in a unified tarball, the root filesystem is below rootfs/',
      );
    }
    if (unpacked > metadataTarballLimit) {
      throw new HeadwaterError(
        'invalid',
        `a tarball with metadata.yaml and no root unpacks to ${unpacked} bytes: at most ${metadataTarballLimit} are allowed`,
      );
    }
    return { kind: 'metadata', compression, metadata, ...violations };
  }

  #visitMetadata(entry: TarEntry): EntrySink {
    if (entry.type !== 'file' || entry.sparse) {
      throw new HeadwaterError(
        'invalid',
        `metadata.yaml is not a plain file in the archive (${entry.type ?? 'sparse'}; rule metadata-link)`,
      );
    }
    if (this.#metadata !== undefined) {
      throw new HeadwaterError('invalid', 'metadata.yaml is in the archive twice (rule metadata-twice)');
    }
    if (entry.size > metadataYamlLimit) {
      throw new HeadwaterError(
        'invalid',
        `metadata.yaml has ${entry.size} bytes: at most ${metadataYamlLimit} are allowed`,
      );
    }
    const parts: Buffer[] = [];
    return {
      write: (bytes) => void parts.push(Buffer.from(bytes)),
      end: () => {
        this.#metadata = readMetadataFile(decodeMetadata(Buffer.concat(parts)));
      },
    };
  }

  /** The disk of a virtual machine: the daemons accept only qcow2. */
  #visitDisk(entry: TarEntry): EntrySink {
    if (entry.type !== 'file' || entry.sparse) {
      throw new HeadwaterError(
        'invalid',
        entry.sparse
          ? 'rootfs.img was packed with its holes left out: pack it without --sparse'
          : `rootfs.img is not a plain file in the archive (${entry.type})`,
      );
    }
    this.#virtualMachine = true;
    return new DiskSink();
  }
}

/** Checks rootfs.img in the same way as a separate disk. */
class DiskSink implements EntrySink {
  #head = Buffer.alloc(0);
  #inspector: Qcow2Inspector | undefined;

  write(bytes: Uint8Array): void {
    if (this.#inspector !== undefined) {
      this.#inspector.write(bytes);
      return;
    }
    this.#head = Buffer.concat([this.#head, bytes]);
    if (this.#head.length >= qcow2HeadLength) this.#begin();
  }

  end(): void {
    this.#inspector ??= this.#begin();
    this.#inspector.end();
  }

  #begin(): Qcow2Inspector {
    if (!isQcow2(this.#head)) {
      throw new HeadwaterError(
        'invalid',
        'rootfs.img is not a qcow2 disk: convert it with qemu-img convert -O qcow2',
      );
    }
    this.#inspector = new Qcow2Inspector(this.#head);
    this.#inspector.write(this.#head);
    return this.#inspector;
  }
}

const memberTypes = new Map<TarEntry['type'], Member['type']>([
  ['file', 'file'],
  ['contiguous-file', 'file'],
  ['directory', 'directory'],
  ['symlink', 'symlink'],
  ['link', 'link'],
  ['character-device', 'device'],
  ['block-device', 'device'],
  ['fifo', 'device'],
]);

function memberOf({ name, type, linkName, absolute }: TarEntry): Member {
  return {
    name,
    type: memberTypes.get(type) ?? 'other',
    ...defined({ linkName }),
    ...(absolute ? { absolute } : {}),
  };
}

function judged(violations: Violation[]): { violations?: Violation[] } {
  return violations.length === 0 ? {} : { violations };
}
