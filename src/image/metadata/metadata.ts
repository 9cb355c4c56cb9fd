import { type Document, isMap, LineCounter, visit } from 'yaml';
import { HeadwaterError, messageOf } from '../../errors.ts';
import { parseImageArchitecture } from '../../model/architecture.ts';
import { defined } from '../../model/defined.ts';
import { parseYaml } from '../../yaml.ts';
import type { ImageMetadata } from '../content.ts';
import { TypeMismatch } from './go-scalars.ts';
import { GoYaml } from './go-yaml.ts';

/** The last second of the year 9999 and the first of the year 0: Go cannot write other times as JSON. */
const lastSecond = 253_402_300_799n;
const firstSecond = -62_167_219_200n;

const dateDescription = 'seconds since 1970, such as 1735689600';

/** A file that the daemons make in an instance. */
export interface ImageTemplate {
  /** The file's path in the instance, as it is written. */
  target: string;
  /** The template's path below `templates/`, as it is written. */
  file: string;
  /** The events on which it is made: `create`, `copy`, `start`, `rename`. */
  when: string[];
}

/** The fields of metadata.yaml that Headwater uses. */
export interface MetadataFile {
  metadata: ImageMetadata;
  templates: ImageTemplate[];
}

/**
 * Reads metadata.yaml, as LXD and Incus read it into their `ImageMetadata`: what Go's decoder accepts is accepted, and
 * what it cannot read is refused, since the clients would list the image and fail to create instances. Values of
 * properties are kept as they are written, so that a release 24.10 stays "24.10".
 * @throws HeadwaterError `invalid`, naming metadata.yaml and the field
 */
export function readMetadataFile(text: string): MetadataFile {
  const document = parse(text);
  try {
    return decode(new GoYaml(document), document.contents, text);
  } catch (error) {
    if (!(error instanceof TypeMismatch)) throw error;
    throw invalid(error.message, error);
  }
}

/** The description of the image in metadata.yaml. @throws HeadwaterError `invalid` as {@link readMetadataFile} */
export function parseMetadata(text: string): ImageMetadata {
  return readMetadataFile(text).metadata;
}

function decode(yaml: GoYaml, contents: unknown, source: string): MetadataFile {
  const architectures: unknown[] = [];
  let creation = 0n;
  let isDated = false;
  let expiry = 0n;
  const properties = new Map<string, string>();
  const templates = new Map<string, Omit<ImageTemplate, 'target'>>();
  const readText = (value: unknown, where: string) => yaml.text(value, where);
  if (!isMap(contents)) {
    throw invalid('must be a mapping of fields such as architecture and creation_date');
  }
  yaml.fields(contents, 'the document', {
    architecture: (value) => void architectures.push(value),
    creation_date: (value) => {
      creation = yaml.integer(value, 'creation_date', dateDescription);
      isDated = !yaml.isNull(value);
    },
    expiry_date: (value) => {
      expiry = yaml.integer(value, 'expiry_date', dateDescription);
    },
    properties: (value) => yaml.map(value, 'properties', properties, readText),
    templates: (value) =>
      yaml.map(value, 'templates', templates, (template, where) => readTemplate(yaml, template, where)),
  });
  const creationDate = readDate('creation_date', creation);
  if (creationDate === undefined) {
    throw invalid(
      isDated
        ? 'creation_date is 0, which LXD and Incus refuse as missing: write another one, or build with another SOURCE_DATE_EPOCH'
        : 'creation_date is missing: it says when the image was made, in seconds since 1970',
    );
  }
  const expiryDate = readDate('expiry_date', expiry);
  const names = architectures.map((value) => yaml.text(value, 'architecture', 'a plain value'));
  const architecture = names.at(-1) ?? '';
  if (architecture === '') throw invalid('architecture is missing');
  if (properties.has('__proto__')) throw invalid('properties: "__proto__" cannot be a name');
  return {
    metadata: {
      architecture: readArchitecture(architecture),
      creationDate,
      ...defined({ expiryDate }),
      properties: Object.fromEntries(properties),
      source,
    },
    templates: [...templates].map(([target, template]) => ({ target, ...template })),
  };
}

function readTemplate(yaml: GoYaml, node: unknown, where: string): Omit<ImageTemplate, 'target'> {
  // The daemons dereference the pointer without a check.
  if (yaml.isNull(node))
    throw new TypeMismatch(`${where} is absent: expected a mapping with when and template`);
  let file = '';
  let when: string[] = [];
  const properties = new Map<string, string>();
  const readText = (value: unknown, where: string) => yaml.text(value, where);
  yaml.fields(node, where, {
    template: (value) => {
      file = yaml.text(value, `${where}.template`);
    },
    when: (value) => {
      when = yaml.list(value, `${where}.when`, readText);
    },
    create_only: (value) => void yaml.boolean(value, `${where}.create_only`),
    properties: (value) => yaml.map(value, `${where}.properties`, properties, readText),
  });
  return { file, when };
}

function readArchitecture(name: string): ImageMetadata['architecture'] {
  try {
    return parseImageArchitecture(name);
  } catch (error) {
    throw invalid(messageOf(error), error);
  }
}

/** A time in seconds since 1970; 0 means none. */
function readDate(field: string, seconds: bigint): number | undefined {
  if (seconds < firstSecond || seconds > lastSecond) {
    throw invalid(`${field} "${seconds}": expected ${dateDescription}`);
  }
  return seconds === 0n ? undefined : Number(seconds);
}

/** The first document, which is the only one that the daemons read. */
function parse(text: string): Document {
  const control = /[^\t\n\r\u0020-\u007e\u0085\u00a0-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u.exec(text);
  if (control !== null) {
    throw invalid(
      `holds the control character U+${control[0].codePointAt(0)?.toString(16).padStart(4, '0')}`,
    );
  }
  const lineCounter = new LineCounter();
  const parsed = parseYaml(text, { schema: 'failsafe', uniqueKeys: false, lineCounter });
  if ('excess' in parsed) throw invalid(parsed.excess);
  const { document, ring } = parsed;
  const error = document.errors.find(({ code }) => code !== 'MULTIPLE_DOCS');
  if (error !== undefined) {
    const { line } = lineCounter.linePos(error.pos[0]);
    throw invalid(`is not valid YAML: line ${line}: ${error.message}`, error);
  }
  if (ring !== undefined) throw invalid(ring);
  if (document.directives?.yaml.explicit === true && document.directives.yaml.version !== '1.1') {
    throw invalid(`is YAML ${document.directives.yaml.version}: the daemons read 1.1 only`);
  }
  visit(document, {
    Scalar: (_, { type, range }) => {
      if (type !== 'QUOTE_DOUBLE' || range == null) return;
      // The escape of JSON came with YAML 1.2.
      if (/(?<!\\)(\\\\)*\\\//.test(text.slice(range[0], range[1]))) {
        throw invalid('has the escape \\/ in a text: the daemons do not know it, write / instead');
      }
    },
  });
  return document;
}

function invalid(what: string, cause?: unknown): HeadwaterError {
  const separator = /^(is|has|holds|must) /.test(what) ? ' ' : ': ';
  return new HeadwaterError('invalid', `metadata.yaml${separator}${what}`, { cause });
}
