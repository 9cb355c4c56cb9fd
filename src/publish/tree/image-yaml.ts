import { LineCounter } from 'yaml';
import { HeadwaterError, messageOf } from '../../errors.ts';
import { defined } from '../../model/defined.ts';
import type { ProductKey } from '../../model/names.ts';
import { list, mapping, text, textMapping, texts, type Untyped } from '../../simplestreams/read/fields.ts';
import { aliasLimit, parseYaml } from '../../yaml.ts';

/** The name under which builders leave their definition beside the image. */
export const imageYamlName = 'image.yaml';

/** Requirements and the products to which they apply; an empty list does not filter. */
export interface FilteredRequirements {
  /** The field in messages: `image.yaml: simplestream.requirements[0]`. */
  where: string;
  requirements: Map<string, string>;
  releases: string[];
  architectures: string[];
  variants: string[];
  types: string[];
}

/** What Headwater reads of a build definition (the format of distrobuilder and lxd-imagebuilder). */
export interface ImageYaml {
  /** Whether it has a `simplestream` block. */
  announced: boolean;
  /** `simplestream.distro_name`: the distribution's name as people write it. */
  distroName?: string;
  /** `simplestream.release_aliases`: other names of releases, by release. */
  releaseAliases: Map<string, string[]>;
  requirements: FilteredRequirements[];
  /** The product of the build, according to the `image` block. */
  product: Partial<ProductKey>;
  warnings: string[];
}

/**
 * Reads a build definition.
 * @throws HeadwaterError `invalid`, naming the field; the message starts with `image.yaml`
 */
export function parseImageYaml(content: string): ImageYaml {
  const definition = mapping(readUntyped(content), imageYamlName);
  const where = `${imageYamlName}: simplestream`;
  const simplestream = mapping(definition['simplestream'], where);
  const requirements = list(simplestream['requirements'], `${where}.requirements`);
  const distroName = text(simplestream, 'distro_name', where);
  const warnings = unknownKeys(simplestream, ['distro_name', 'release_aliases', 'requirements'], where);
  return {
    announced: definition['simplestream'] !== undefined,
    ...defined({ distroName }),
    releaseAliases: readReleaseAliases(simplestream['release_aliases'], `${where}.release_aliases`),
    requirements: requirements.map((entry, index) =>
      readRequirements(entry, `${where}.requirements[${index}]`, warnings),
    ),
    product: readProduct(definition['image'], `${imageYamlName}: image`),
    warnings,
  };
}

/** Every plain value stays the text as written: `24.10` is a release here, not the number 24.1. */
function readUntyped(content: string): unknown {
  const lineCounter = new LineCounter();
  const parsed = parseYaml(content, { schema: 'failsafe', merge: true, lineCounter });
  if ('excess' in parsed) throw notYaml(`it ${parsed.excess}`);
  const { document, ring } = parsed;
  const [problem] = document.errors;
  if (problem !== undefined) {
    throw notYaml(`line ${lineCounter.linePos(problem.pos[0]).line}: ${problem.message}`, problem);
  }
  if (ring !== undefined) throw notYaml(ring);
  try {
    return document.toJS({ maxAliasCount: aliasLimit });
  } catch (error) {
    throw notYaml(messageOf(error), error);
  }
}

function notYaml(reason: string, cause?: unknown): HeadwaterError {
  return new HeadwaterError('invalid', `${imageYamlName}: cannot be read as YAML: ${reason}`, { cause });
}

function readReleaseAliases(value: unknown, where: string): Map<string, string[]> {
  const aliases = new Map<string, string[]>();
  for (const [release, names] of textMapping(value, where)) {
    const separate = names.split(',').map((name) => name.trim());
    aliases.set(
      release,
      separate.filter((name) => name !== ''),
    );
  }
  return aliases;
}

function readRequirements(entry: unknown, where: string, warnings: string[]): FilteredRequirements {
  const fields = mapping(entry, where);
  const filters = ['releases', 'architectures', 'variants', 'types'];
  warnings.push(...unknownKeys(fields, ['requirements', ...filters], where));
  const types = texts(fields, 'types', where);
  const other = types.find((type) => type !== 'container' && type !== 'vm');
  if (other !== undefined) {
    throw new HeadwaterError(
      'invalid',
      `${where}.types: ${JSON.stringify(other)} is not a type: use container or vm`,
    );
  }
  return {
    where,
    requirements: textMapping(fields['requirements'], `${where}.requirements`),
    releases: texts(fields, 'releases', where),
    architectures: texts(fields, 'architectures', where),
    variants: texts(fields, 'variants', where),
    types,
  };
}

function readProduct(value: unknown, where: string): Partial<ProductKey> {
  const image = mapping(value, where);
  const os = text(image, 'distribution', where);
  const release = text(image, 'release', where);
  const architecture = text(image, 'architecture', where);
  const variant = text(image, 'variant', where);
  return defined({ os, release, architecture, variant });
}

// A misspelt filter would let its requirements apply to every product: it gets a warning.
function unknownKeys(fields: Untyped, known: string[], where: string): string[] {
  return Object.keys(fields)
    .filter((key) => !known.includes(key))
    .map((key) => `${where}.${key} is not known and was ignored`);
}
