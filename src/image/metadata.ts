import { isScalar, LineCounter, visit } from 'yaml';
import { HeadwaterError, messageOf } from '../errors.ts';
import { aliasLimit, parseYaml } from '../yaml.ts';
import { parseArchitecture } from './architecture.ts';
import type { ImageMetadata } from './content.ts';

/** The last second of the year 9999. */
const lastSecond = 253_402_300_799;

/**
 * Reads metadata.yaml, as the image format of the LXD and Incus documentation has it. Values are taken as they are
 * written, so that a release 24.10 stays "24.10".
 * @throws HeadwaterError `invalid`, naming metadata.yaml and the field
 */
export function parseMetadata(text: string): ImageMetadata {
  const fields = parseMapping(text);
  const expiryDate = readDate(fields, 'expiry_date');
  const creationDate = readDate(fields, 'creation_date');
  if (creationDate === undefined) {
    throw invalid('creation_date is missing: it says when the image was made, in seconds since 1970');
  }
  return {
    architecture: readArchitecture(fields),
    creationDate,
    ...(expiryDate === undefined ? {} : { expiryDate }),
    properties: readProperties(fields),
    source: text,
  };
}

function readArchitecture(fields: Map<unknown, unknown>): ImageMetadata['architecture'] {
  const name = readText(fields, 'architecture');
  if (name === undefined) throw invalid('architecture is missing');
  try {
    return parseArchitecture(name);
  } catch (error) {
    throw invalid(messageOf(error), error);
  }
}

/** A time in seconds since 1970; 0 means none. */
function readDate(fields: Map<unknown, unknown>, field: string): number | undefined {
  const text = readText(fields, field);
  if (text === undefined) return undefined;
  const seconds = /^\d{1,12}$/.test(text) ? Number(text) : Number.NaN;
  if (!(seconds <= lastSecond)) {
    throw invalid(`${field} ${JSON.stringify(text)}: expected seconds since 1970, such as 1735689600`);
  }
  return seconds === 0 ? undefined : seconds;
}

function readProperties(fields: Map<unknown, unknown>): Record<string, string> {
  const properties = fields.get('properties');
  if (isAbsent(properties)) return {};
  if (!(properties instanceof Map)) throw invalid(`properties is ${kindOf(properties)}: expected a mapping`);
  return Object.fromEntries(
    [...properties].map(([key, value]): [string, string] => {
      if (typeof key !== 'string' || key === '' || key === '__proto__') {
        throw invalid(
          `properties: ${typeof key === 'string' ? JSON.stringify(key) : kindOf(key)} cannot be a name`,
        );
      }
      if (typeof value !== 'string') throw invalid(`properties.${key} is ${kindOf(value)}: expected text`);
      return [key, value];
    }),
  );
}

function readText(fields: Map<unknown, unknown>, field: string): string | undefined {
  const value = fields.get(field);
  if (isAbsent(value)) return undefined;
  if (typeof value !== 'string') throw invalid(`${field} is ${kindOf(value)}: expected a plain value`);
  return value;
}

/** Every scalar is text by now, so null has the forms it is written in. */
function isAbsent(value: unknown): boolean {
  return value === undefined || value === '' || value === '~' || value === 'null';
}

function kindOf(value: unknown): string {
  if (value instanceof Map) return 'a mapping';
  return Array.isArray(value) ? 'a list' : 'text';
}

/** The document's top mapping. Mappings come as Maps, which no key can disturb, and all scalars as text. */
function parseMapping(text: string): Map<unknown, unknown> {
  const lineCounter = new LineCounter();
  const parsed = parseYaml(text, { schema: 'failsafe', uniqueKeys: false, lineCounter });
  if ('excess' in parsed) throw invalid(parsed.excess);
  const { document, ring } = parsed;
  const [error] = document.errors;
  if (error !== undefined) {
    throw invalid(
      error.code === 'MULTIPLE_DOCS'
        ? error.message
        : `is no valid YAML: line ${lineCounter.linePos(error.pos[0]).line}: ${error.message}`,
      error,
    );
  }
  if (ring !== undefined) throw invalid(ring);
  // The library compares each key with all before it, which takes minutes for a mapping of many keys.
  visit(document, {
    Map: (_, { items }) => {
      const keys = new Set<unknown>();
      for (const { key } of items) {
        if (!isScalar(key)) continue;
        if (keys.has(key.value)) throw invalid(`the key ${JSON.stringify(key.value)} is there twice`);
        keys.add(key.value);
      }
    },
  });
  let value: unknown;
  try {
    value = document.toJS({ mapAsMap: true, maxAliasCount: aliasLimit });
  } catch (error) {
    throw invalid(`its aliases (*name) cannot be resolved: ${messageOf(error)}`, error);
  }
  if (!(value instanceof Map))
    throw invalid('must be a mapping of fields such as architecture and creation_date');
  return value;
}

function invalid(what: string, cause?: unknown): HeadwaterError {
  const separator = /^(is|has|holds|must) /.test(what) ? ' ' : ': ';
  return new HeadwaterError('invalid', `metadata.yaml${separator}${what}`, { cause });
}
