import { readFileSync } from 'node:fs';
import { isNode, LineCounter } from 'yaml';
import { messageOf } from '../errors.ts';
import { fileError } from '../files/file-error.ts';
import { aliasLimit, parseYaml } from '../yaml.ts';
import { invalid, type Layer } from './issues.ts';
import { isTree, withoutNulls } from './tree.ts';

/**
 * Reads a YAML file of settings.
 * @throws HeadwaterError `invalid`, naming file and line; `not-found`
 */
export function readYamlFile(file: string): Layer {
  const lines = new LineCounter();
  const text = readText(file);
  const parsed = parseYaml(text, { lineCounter: lines });
  if ('excess' in parsed) throw invalid([`${file}: ${parsed.excess}`]);
  const { document, ring } = parsed;
  const at = (offset: number) => `${file}:${lines.linePos(offset).line || 1}`;
  const problems = [...document.errors, ...document.warnings];
  if (problems.length > 0) {
    throw invalid(problems.map((problem) => `${at(problem.pos[0])}: ${problem.message}`));
  }
  if (ring !== undefined) throw invalid([`${file}: ${ring}`]);
  let content: unknown;
  try {
    content = withoutNulls(document.toJS({ maxAliasCount: aliasLimit }) ?? {});
  } catch (error) {
    throw invalid([`${file}: ${messageOf(error)}`]);
  }
  if (!isTree(content)) throw invalid([`${file}: expected settings as "key: value" lines`]);
  return {
    values: content,
    problems: [],
    origin(path) {
      // The longest prefix of the path in the file: a missing key is reported at the line of its group.
      for (let length = path.length; length > 0; length -= 1) {
        const node = document.getIn(path.slice(0, length), true);
        if (isNode(node) && node.range) return at(node.range[0]);
      }
      return file;
    },
  };
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw fileError(error, { path: file, doing: 'read', isInput: true });
  }
}
