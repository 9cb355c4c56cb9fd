import { leavesFolder } from '../tar/member-rules.ts';
import type { ImageTemplate } from './metadata.ts';

/** When LXD and Incus make files of templates. A template for other events is never read. */
const events = new Set(['create', 'copy', 'start', 'rename']);

/**
 * The first template whose file the daemons would look for and not find, so that no instance starts.
 * @param has whether there is a file of this path below templates/
 * @returns what is wrong with it in words; undefined when all are there
 */
export function missingTemplate(
  templates: readonly ImageTemplate[],
  has: (file: string) => boolean,
): string | undefined {
  const missing = templates.find(
    ({ file, when }) => when.some((event) => events.has(event)) && !leavesFolder(file) && !has(file),
  );
  if (missing === undefined) return undefined;
  const { target, file } = missing;
  if (file === '')
    return `metadata.yaml: templates.${target}.template is missing: it names a file in templates/`;
  return `metadata.yaml: templates.${target}.template ${JSON.stringify(file)}: the archive has no plain file of this path in templates/`;
}
