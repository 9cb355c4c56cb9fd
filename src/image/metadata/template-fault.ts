import { leavesFolder } from '../tar/member-rules.ts';
import type { ImageTemplate } from './metadata.ts';

/** The events on which LXD and Incus make files from templates. A template for other events is never read. */
const events = new Set(['create', 'copy', 'start', 'rename']);

/** The facts about an archive that templates need (`MemberRules`). */
interface TemplateMembers {
  /** Whether there is a plain file of this path below templates/. */
  hasTemplate(file: string): boolean;
  /** Whether this path of the root filesystem is a directory. */
  isFolder(target: string): boolean;
}

/**
 * Describes the first template that keeps every instance from starting: its file is missing, or a directory is in the
 * place of its result.
 * @returns undefined when there is none
 */
export function templateFault(
  templates: readonly ImageTemplate[],
  members: TemplateMembers,
): string | undefined {
  const used = templates.filter(({ when }) => when.some((event) => events.has(event)));
  const missing = used.find(({ file }) => !leavesFolder(file) && !members.hasTemplate(file));
  if (missing !== undefined) {
    const where = `metadata.yaml: templates.${missing.target}.template`;
    return missing.file === ''
      ? `${where} is missing: it names a file in templates/`
      : `${where} ${JSON.stringify(missing.file)}: the archive has no plain file of this path in templates/`;
  }
  const onFolder = used.find(({ target }) => members.isFolder(target));
  if (onFolder === undefined) return undefined;
  return `metadata.yaml: templates.${onFolder.target}: this path is a directory in the root filesystem, and the daemons write a file`;
}
