import { dirname, join, resolve } from 'node:path';
import { HeadwaterError } from '../errors.ts';
import { defined } from '../model/defined.ts';
import { mirrorSchema } from './mirror-schema.ts';
import type { AnyDefinition } from './sites/any-definition.ts';
import { siteMirrorSchema } from './sites/site-mirror-schema.ts';
import { checkDefinition, definitionExtension, definitionFiles, readAll, readYamlFile } from './yaml-file.ts';

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
}): AnyDefinition[] {
  const schema = mirrorSchema(sources.isSchedule);
  return readAll(definitionFiles(sources.directory, 'mirrorDir'), (file) =>
    readDefinition(join(sources.directory, file), schema, sources.env),
  );
}

/** The names of the variables with the credentials of a mirror. */
function credentialVariables(name: string): { user: string; password: string } {
  const prefix = `HEADWATER_MIRROR_${name.toUpperCase().replaceAll('-', '_')}`;
  return { user: `${prefix}_USER`, password: `${prefix}_PASSWORD` };
}

function readDefinition(
  file: string,
  schema: ReturnType<typeof mirrorSchema>,
  environment: NodeJS.ProcessEnv,
): AnyDefinition {
  const name = file.slice(file.lastIndexOf('/') + 1, -definitionExtension.length);
  if (!namePattern.test(name)) {
    throw new HeadwaterError(
      'invalid',
      `${file}: the file name is the name of the mirror: use lower-case letters, digits and -, at most 64`,
    );
  }
  const layer = readYamlFile(file);
  const absolute = (path: string) => resolve(dirname(resolve(file)), path);
  if (Object.hasOwn(layer.values, 'site')) {
    const { keyring, upstreams, ...rest } = checkDefinition(layer, siteMirrorSchema, file);
    return {
      ...{ ...rest, name, file },
      ...(keyring === undefined ? {} : { keyring: absolute(keyring) }),
      upstreams: Object.fromEntries(
        Object.entries(upstreams).map(([owner, proof]) => [
          owner,
          'keyring' in proof ? { ...proof, keyring: absolute(proof.keyring) } : proof,
        ]),
      ),
    };
  }
  const { keyring, ca, ...rest } = checkDefinition(layer, schema, file);
  const credentials = credentialsOf(name, environment);
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
