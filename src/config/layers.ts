import { dirname, resolve } from 'node:path';
import { HeadwaterError, messageOf } from '../errors.ts';
import { suggest } from '../suggestion.ts';
import { aliasLimit, parseYaml } from '../yaml.ts';
import { invalid, type Layer } from './issues.ts';
import { findSetting, type Setting, settings } from './settings.ts';
import { emptyTree, get, isTree, put, type Tree, treeWithoutNulls, withoutNulls } from './tree.ts';
import { readYamlFile } from './yaml-file.ts';

/** Variables with the prefix `HEADWATER_` that are not settings: options of the command line, and secrets. */
const otherVariables = new Set([
  'HEADWATER_CONFIG',
  'HEADWATER_SERVER',
  'HEADWATER_TOKEN',
  'HEADWATER_CA',
  'HEADWATER_JOIN_SECRET',
  'HEADWATER_S3_ACCESS_KEY',
  'HEADWATER_S3_SECRET_KEY',
  'HEADWATER_SIGNING_PASSPHRASE',
]);

/** Credentials of mirrors (`mirror-definitions.ts`). */
const mirrorVariable = /^HEADWATER_MIRROR_\w+_(USER|PASSWORD)$/;

/**
 * The settings of a YAML file. Relative paths in it are relative to the directory of the file.
 * @throws HeadwaterError `invalid`, naming file and line
 */
export function fileLayer(file: string): Layer {
  const layer = readYamlFile(file);
  resolvePaths(layer.values, dirname(resolve(file)));
  return layer;
}

/**
 * The settings of the environment. Relative paths are relative to the current directory; an empty variable counts as
 * unset. Unknown and contradictory variables are problems.
 */
export function environmentLayer(environment: NodeJS.ProcessEnv): Layer {
  const given = Object.entries(environment).filter(
    ([name, value]) => name.startsWith('HEADWATER_') && value !== undefined && value !== '',
  );
  const byVariable = new Map(settings.map((setting) => [setting.variable, setting]));
  const problems: string[] = [];
  const assigned: [Setting, string][] = [];
  for (const [name, value = ''] of given) {
    const setting = byVariable.get(name);
    if (setting !== undefined) assigned.push([setting, value]);
    else if (!otherVariables.has(name) && !mirrorVariable.test(name) && !isServiceLink(name, value)) {
      const near = suggest(withoutPrefix(name), [...byVariable.keys(), ...otherVariables].map(withoutPrefix));
      const advice =
        near === undefined ? 'config/headwater.yaml lists all settings' : `did you mean HEADWATER_${near}?`;
      problems.push(`${name}: unknown setting; ${advice}`);
    }
  }
  for (const [{ key, variable }] of assigned) {
    const nested = assigned.find(([other]) => other.key.startsWith(`${key}.`));
    if (nested) problems.push(`${variable} and ${nested[0].variable}: they exclude each other; set one`);
  }

  const values = emptyTree();
  for (const [setting, value] of assigned)
    put(values, setting.path, fromText(setting, value, setting.variable));
  resolvePaths(values, process.cwd());
  const variables = new Map(assigned.map(([setting]) => [setting.key, setting.variable]));
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

/** Settings from flags. Relative paths are relative to the current directory. */
export function flagLayer(overrides: Tree): Layer {
  const values = treeWithoutNulls(overrides);
  resolvePaths(values, process.cwd());
  return {
    values,
    problems: [],
    origin: (path) => (path[0] === 'dataDir' ? '--data-dir' : `--set ${path.join('.')}`),
  };
}

/**
 * Parses `--set KEY=VALUE` flags into overrides.
 * @throws HeadwaterError `usage` if there is no `=`
 */
export function parseAssignments(assignments: readonly string[]): Tree {
  const overrides = emptyTree();
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

/**
 * Kubernetes describes a service named `headwater` to every container in variables of its own
 * (https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables).
 */
function isServiceLink(name: string, value: string): boolean {
  return (
    /^HEADWATER_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)$/.test(name) ||
    (name === 'HEADWATER_PORT' && /^(tcp|udp|sctp):/.test(value))
  );
}

/** Parses a value from text. Unparsable text is returned as it is: the schema then reports the expected value. */
function fromText(setting: Setting, text: string, origin: string): unknown {
  if (setting.kind === 'integer') return /^\d{1,15}$/.test(text) ? Number(text) : text;
  if (setting.kind === 'boolean') return text === 'true' ? true : text === 'false' ? false : text;
  if (setting.kind !== 'map') return text;
  const parsed = parseYaml(text, {});
  if ('excess' in parsed) throw invalid([`${origin}: ${parsed.excess}`]);
  const { document, ring } = parsed;
  const problem = document.errors[0]?.message ?? ring;
  if (problem !== undefined) throw invalid([`${origin}: ${problem}`]);
  try {
    return withoutNulls(document.toJS({ maxAliasCount: aliasLimit }));
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
  const upstreams = get(values, ['registry', 'mirrorFrom']);
  for (const upstream of Array.isArray(upstreams) ? upstreams.filter(isTree) : []) {
    for (const key of ['keyring', 'ca']) {
      const file = upstream[key];
      if (typeof file === 'string' && file !== '') upstream[key] = resolve(directory, file);
    }
  }
}

/** The part of a variable's name that identifies it. */
function withoutPrefix(variable: string): string {
  return variable.replace(/^HEADWATER_/, '');
}
