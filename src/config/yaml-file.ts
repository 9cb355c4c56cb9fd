import { readdirSync, readFileSync } from 'node:fs';
import { isNode, LineCounter } from 'yaml';
import type * as z from 'zod';
import { codeOf, HeadwaterError, messageOf } from '../errors.ts';
import { fileError } from '../files/file-error.ts';
import { aliasLimit, parseYaml } from '../yaml.ts';
import { describeIssue, invalid, type Layer } from './issues.ts';
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

/** The extension of the files of {@link definitionFiles}. */
export const definitionExtension = '.yaml';

/**
 * The files `NAME.yaml` of a directory, sorted by name; a missing directory has none.
 * @param setting the name of the setting with the directory, for messages
 * @throws HeadwaterError `invalid`
 */
export function definitionFiles(directory: string, setting: string): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => name.endsWith(definitionExtension) && !name.startsWith('.'))
      .map((name) => name.slice(0, -definitionExtension.length))
      .sort()
      .map((name) => name + definitionExtension);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    const { message } = fileError(error, { path: directory, doing: 'list', isInput: true });
    throw new HeadwaterError('invalid', `${setting}: ${message}`, { cause: error });
  }
}

/**
 * Reads all definitions, and reports the problems of all of them at once.
 * @throws HeadwaterError `invalid`, with a line for every error
 */
export function readAll<Definition>(
  files: readonly string[],
  read: (file: string) => Definition,
): Definition[] {
  const problems: string[] = [];
  const definitions = files.flatMap((file) => {
    try {
      return [read(file)];
    } catch (error) {
      if (!(error instanceof HeadwaterError)) throw error;
      problems.push(error.message);
      return [];
    }
  });
  if (problems.length > 0) throw invalid(problems);
  return definitions;
}

/**
 * Reads and checks a definition.
 * @throws HeadwaterError `invalid`, with a line for every error: file, line, key, expected value
 */
export function readDefinitionFile<Schema extends z.ZodType>(file: string, schema: Schema): z.output<Schema> {
  return checkDefinition(readYamlFile(file), schema, file);
}

/**
 * Checks the content of a definition.
 * @throws HeadwaterError `invalid`, as {@link readDefinitionFile}
 */
export function checkDefinition<Schema extends z.ZodType>(
  layer: Layer,
  schema: Schema,
  file: string,
): z.output<Schema> {
  const result = schema.safeParse(layer.values, { jitless: true });
  if (result.success) return result.data;
  const errors = result.error.issues.flatMap((issue) =>
    describeIssue(issue, { merged: layer.values, layers: [layer] }),
  );
  // A missing key has no line.
  throw invalid(errors.map((error) => (error.startsWith(file) ? error : `${file}: ${error}`)));
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw fileError(error, { path: file, doing: 'read', isInput: true });
  }
}
