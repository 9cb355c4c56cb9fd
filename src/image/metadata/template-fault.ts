import { posix } from 'node:path';
import { leavesFolder } from '../tar/member-rules.ts';
import type { EntrySink, TarEntry } from '../tar/tar.ts';
import type { ImageTemplate } from './metadata.ts';
import { templateSyntaxFault } from './template-syntax.ts';

/** The events on which LXD and Incus make files from templates. A template for other events is never read. */
const events = new Set(['create', 'copy', 'start', 'rename']);

/** The facts about an archive that templates need (`MemberRules`). */
interface TemplateMembers {
  /** Whether there is a plain file of this path below templates/. */
  hasTemplate(file: string): boolean;
  /** Whether this path of the root filesystem is a directory. */
  isFolder(target: string): boolean;
}

/** Templates larger than this, in bytes, are not read. Real ones have a few KiB. */
const maxTemplateSize = 1024 * 1024;
/** The number of faulty templates that are remembered. */
const maxFaults = 1000;

/** The templates of an archive whose text the daemons cannot read. */
export class TemplateTexts {
  /** The faults by path. */
  readonly #faults = new Map<string, string>();

  /** @returns the receiver of an entry's bytes, if it may be a template */
  visit({ name, type, sparse, size }: TarEntry): EntrySink | undefined {
    if (!name.startsWith('templates/') || type !== 'file' || sparse) return undefined;
    // A later entry of the same path replaces an earlier one.
    this.#faults.delete(name);
    if (size > maxTemplateSize || this.#faults.size >= maxFaults) return undefined;
    const parts: Buffer[] = [];
    return {
      write: (bytes) => void parts.push(Buffer.from(bytes)),
      end: () => {
        const fault = templateSyntaxFault(Buffer.concat(parts).toString('latin1'));
        if (fault !== undefined) this.#faults.set(name, fault);
      },
    };
  }

  /** The fault of a template, by its path below `templates/`. */
  fault(file: string): string | undefined {
    return this.#faults.get(posix.join('templates', file));
  }
}

/**
 * Describes the first template that keeps every instance from starting: its file is missing or cannot be read, or a
 * directory is in the place of its result.
 * @param texts undefined when the files were not read
 * @returns undefined when there is none
 */
export function templateFault(
  templates: readonly ImageTemplate[],
  members: TemplateMembers,
  texts?: TemplateTexts,
): string | undefined {
  const used = templates.filter(({ when }) => when.some((event) => events.has(event)));
  const missing = used.find(({ file }) => !leavesFolder(file) && !members.hasTemplate(file));
  if (missing !== undefined) {
    const where = `metadata.yaml: templates.${missing.target}.template`;
    return missing.file === ''
      ? `${where} is missing: it names a file in templates/`
      : `${where} ${JSON.stringify(missing.file)}: the archive has no plain file of this path in templates/`;
  }
  for (const { target, file, when } of used) {
    // Templates for other events are read later, or never.
    const fault = when.some((event) => event === 'create' || event === 'start')
      ? texts?.fault(file)
      : undefined;
    if (fault === undefined) continue;
    return `metadata.yaml: templates.${target}.template ${JSON.stringify(file)}: the daemons cannot read this template: ${fault}`;
  }
  const onFolder = used.find(({ target }) => members.isFolder(target));
  if (onFolder === undefined) return undefined;
  return `metadata.yaml: templates.${onFolder.target}: this path is a directory in the root filesystem, and the daemons write a file`;
}
