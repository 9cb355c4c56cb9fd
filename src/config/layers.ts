import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { LineCounter, parse, parseDocument } from 'yaml';
import { codeOf, HeadwaterError, messageOf } from '../errors.ts';
import { findSetting, type Setting, settings } from './settings.ts';
import { get, isTree, put, type Tree, withoutNulls } from './tree.ts';

/** Settings from one place. */
export interface Layer {
  values: Tree;
  /** What is wrong with the place itself, whatever the values. */
  problems: string[];
  /** What a message calls the place of a value: `headwater.yaml:3`, `HEADWATER_LISTEN_PORT`, `--set listen.port`. */
  origin(path: readonly PropertyKey[]): string;
}

/** Variables that begin with `HEADWATER_` and are no settings: options of the command line, and secrets. */
const otherVariables = new Set([
  'HEADWATER_CONFIG',
  'HEADWATER_SERVER',
  'HEADWATER_TOKEN',
  'HEADWATER_CA',
  'HEADWATER_JOIN_SECRET',
  'HEADWATER_S3_ACCESS_KEY',
  'HEADWATER_S3_SECRET_KEY',
]);

/**
 * The settings of a YAML file. Relative paths in it are relative to the directory of the file.
 * @throws HeadwaterError `invalid`, naming file and line
 */
export function fileLayer(file: string): Layer {
  const lines = new LineCounter();
  const document = parseDocument(readText(file), { lineCounter: lines, prettyErrors: false });
  const at = (offset: number) => `${file}:${lines.linePos(offset).line || 1}`;
  const problems = [...document.errors, ...document.warnings];
  if (problems.length > 0) {
    throw invalid(problems.map((problem) => `${at(problem.pos[0])}: ${problem.message}`));
  }
  let content: unknown;
  try {
    content = withoutNulls(document.toJS() ?? {});
  } catch (error) {
    throw invalid([`${file}: ${messageOf(error)}`]);
  }
  if (!isTree(content)) throw invalid([`${file}: expected settings as "key: value" lines`]);
  resolvePaths(content, dirname(resolve(file)));
  return {
    values: content,
    problems: [],
    origin(path) {
      // The nearest part of the path that the file has: a missing key belongs to the line of its group.
      for (let length = path.length; length > 0; length -= 1) {
        const node = document.getIn(path.slice(0, length), true) as { range?: [number] } | undefined;
        if (node?.range) return at(node.range[0]);
      }
      return file;
    },
  };
}

/**
 * The settings of the environment. Relative paths are relative to the current directory; an empty variable is the
 * same as none. Variables that mean nothing or contradict each other are problems.
 */
export function environmentLayer(environment: NodeJS.ProcessEnv): Layer {
  const given = Object.entries(environment).filter(
    ([name, value]) => name.startsWith('HEADWATER_') && value !== undefined && value !== '',
  );
  const byVariable = new Map(settings.map((setting) => [setting.variable, setting]));
  const problems: string[] = [];
  const found: [Setting, string][] = [];
  for (const [name, value = ''] of given) {
    const setting = byVariable.get(name);
    if (setting !== undefined) found.push([setting, value]);
    else if (!otherVariables.has(name) && !isServiceLink(name, value)) {
      problems.push(`${name}: no setting has this name; config/headwater.yaml lists those there are`);
    }
  }
  for (const [{ key, variable }] of found) {
    const inner = found.find(([other]) => other.key.startsWith(`${key}.`));
    if (inner) problems.push(`${variable} and ${inner[0].variable}: only one of the two can be set`);
  }

  const values = Object.create(null) as Tree;
  for (const [setting, value] of found) put(values, setting.path, fromText(setting, value, setting.variable));
  resolvePaths(values, process.cwd());
  const variables = new Map(found.map(([setting]) => [setting.key, setting.variable]));
  return {
    values,
    problems,
    origin(path) {
      for (let length = path.length; length > 0; length -= 1) {
        const variable = variables.get(path.slice(0, length).join('.'));
        if (variable !== undefined) return variable;
      }
      return [...variables].find(([key]) => key.startsWith(`${path.join('.')}.`))?.[1] ?? 'the environment';
    },
  };
}

/** Settings given as flags. Relative paths are relative to the current directory. */
export function flagLayer(overrides: Tree): Layer {
  const values = withoutNulls(overrides) as Tree;
  resolvePaths(values, process.cwd());
  return {
    values,
    problems: [],
    origin: (path) => (path[0] === 'dataDir' ? '--data-dir' : `--set ${path.join('.')}`),
  };
}

/**
 * Turns what `--set KEY=VALUE` says into overrides.
 * @throws HeadwaterError `usage` where there is no `=`
 */
export function parseAssignments(assignments: readonly string[]): Tree {
  const overrides = Object.create(null) as Tree;
  for (const assignment of assignments) {
    const [, key, value] = /^([^=]+)=(.*)$/s.exec(assignment) ?? [];
    if (key === undefined || value === undefined) {
      throw new HeadwaterError('usage', `--set ${assignment}: expected KEY=VALUE, such as listen.port=9443`);
    }
    const setting = findSetting(key);
    put(overrides, key.split('.'), setting === undefined ? value : fromText(setting, value, `--set ${key}`));
  }
  return overrides;
}

/** A HeadwaterError that lists all problems at once, one a line. */
export function invalid(problems: string[]): HeadwaterError {
  const [only] = problems;
  const message =
    problems.length === 1 && only !== undefined
      ? only
      : `the configuration has ${problems.length} mistakes:\n${problems.map((problem) => `  ${problem}`).join('\n')}`;
  return new HeadwaterError('invalid', message);
}

/**
 * Kubernetes tells every container about a service named `headwater` in variables of its own
 * (https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables).
 */
function isServiceLink(name: string, value: string): boolean {
  return (
    /^HEADWATER_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)$/.test(name) ||
    (name === 'HEADWATER_PORT' && /^(tcp|udp|sctp):/.test(value))
  );
}

/** A value from text. What cannot be read stays text: the schema then says what was expected. */
function fromText(setting: Setting, text: string, origin: string): unknown {
  if (setting.kind === 'whole') return /^\d{1,15}$/.test(text) ? Number(text) : text;
  if (setting.kind === 'boolean') return text === 'true' ? true : text === 'false' ? false : text;
  if (setting.kind !== 'map') return text;
  try {
    return withoutNulls(parse(text));
  } catch (error) {
    throw invalid([`${origin}: ${messageOf(error).split('\n')[0]}`]);
  }
}

function resolvePaths(values: Tree, directory: string): void {
  for (const { kind, path } of settings) {
    const value = get(values, path);
    if (kind === 'path' && typeof value === 'string' && value !== '')
      put(values, path, resolve(directory, value));
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const reason =
      codeOf(error) === 'ENOENT' ? 'there is no such file' : `cannot be read: ${messageOf(error)}`;
    throw new HeadwaterError(codeOf(error) === 'ENOENT' ? 'not-found' : 'invalid', `${file}: ${reason}`, {
      cause: error,
    });
  }
}
