import { readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { codeOf, HeadwaterError } from '../errors.ts';
import { fileError } from '../files/file-error.ts';
import { defined } from '../model/defined.ts';
import { describeIssue, invalid } from './issues.ts';
import { type MirrorDefinition, mirrorSchema } from './mirror-schema.ts';
import { readYamlFile } from './yaml-file.ts';

const extension = '.yaml';
/** Allowed names of mirrors: a name is part of the owner of products, and of names of variables. */
const namePattern = /^[a-z0-9][a-z0-9-]{0,63}$/;

/**
 * Reads and checks the definitions of mirrors: each file `NAME.yaml` of a directory. A missing directory has none.
 * @param sources.env contains the credentials: HEADWATER_MIRROR_<NAME>_USER and _PASSWORD
 * @param sources.isSchedule whether a text is a valid schedule
 * @returns the definitions, sorted by name
 * @throws HeadwaterError `invalid`, with a line for every error: file, line, key, expected value
 */
export function loadMirrors(sources: {
  directory: string;
  env: NodeJS.ProcessEnv;
  isSchedule: (text: string) => boolean;
}): MirrorDefinition[] {
  const problems: string[] = [];
  const schema = mirrorSchema(sources.isSchedule);
  const definitions = filesOf(sources.directory).flatMap((file) => {
    try {
      return [readDefinition(join(sources.directory, file), schema, sources.env)];
    } catch (error) {
      if (!(error instanceof HeadwaterError)) throw error;
      problems.push(error.message);
      return [];
    }
  });
  if (problems.length > 0) throw invalid(problems);
  return definitions;
}

/** The names of the variables with the credentials of a mirror. */
function credentialVariables(name: string): { user: string; password: string } {
  const prefix = `HEADWATER_MIRROR_${name.toUpperCase().replaceAll('-', '_')}`;
  return { user: `${prefix}_USER`, password: `${prefix}_PASSWORD` };
}

function filesOf(directory: string): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => name.endsWith(extension) && !name.startsWith('.'))
      .map((name) => name.slice(0, -extension.length))
      .sort()
      .map((name) => name + extension);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    const { message } = fileError(error, { path: directory, doing: 'list', isInput: true });
    throw new HeadwaterError('invalid', `mirrorDir: ${message}`, {
      cause: error,
    });
  }
}

function readDefinition(
  file: string,
  schema: ReturnType<typeof mirrorSchema>,
  environment: NodeJS.ProcessEnv,
): MirrorDefinition {
  const name = file.slice(file.lastIndexOf('/') + 1, -extension.length);
  if (!namePattern.test(name)) {
    throw new HeadwaterError(
      'invalid',
      `${file}: the file name is the name of the mirror: use lower-case letters, digits and -, at most 64`,
    );
  }
  const layer = readYamlFile(file);
  const result = schema.safeParse(layer.values, { jitless: true });
  if (!result.success) {
    const errors = result.error.issues.flatMap((issue) =>
      describeIssue(issue, { merged: layer.values, layers: [layer] }),
    );
    // A missing key has no line.
    throw invalid(errors.map((error) => (error.startsWith(file) ? error : `${file}: ${error}`)));
  }
  const { keyring, ca, ...rest } = result.data;
  const credentials = credentialsOf(name, environment);
  const absolute = (path: string) => resolve(dirname(resolve(file)), path);
  return {
    ...rest,
    name,
    file,
    ...(keyring === undefined ? {} : { keyring: absolute(keyring) }),
    ...(ca === undefined ? {} : { ca: absolute(ca) }),
    ...defined({ credentials }),
  };
}

function credentialsOf(
  name: string,
  environment: NodeJS.ProcessEnv,
): { user: string; password: string } | undefined {
  const variables = credentialVariables(name);
  const user = environment[variables.user];
  const password = environment[variables.password];
  if (!user && !password) return undefined;
  if (user && password) return { user, password };
  throw new HeadwaterError(
    'invalid',
    `${variables.user} and ${variables.password}: only one of the two is set; set both`,
  );
}
