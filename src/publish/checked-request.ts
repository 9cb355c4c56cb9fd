import { checkField, HeadwaterError } from '../errors.ts';
import { type Architecture, parseArchitecture } from '../model/architecture.ts';
import { defined } from '../model/defined.ts';
import { parseAlias, parseNamePart, parseSerial, parseStream } from '../model/names.ts';
import type { PublishRequest } from './request.ts';

/** A request whose every field was checked before any file is read. */
export interface CheckedRequest {
  os?: string;
  release?: string;
  architecture?: Architecture;
  variant?: string;
  serial?: string;
  stream: string;
  aliases: string[];
  requirements: Record<string, string>;
}

/**
 * Checks the fields of a request, so that a mistyped one is refused before any file is read.
 * @throws HeadwaterError `invalid`, about the field
 */
export function checkRequest(request: PublishRequest): CheckedRequest {
  const check = <Value, Parsed>(
    field: keyof PublishRequest,
    value: Value | undefined,
    parse: (value: Value) => Parsed,
  ): Parsed | undefined => (value === undefined ? undefined : checkField(field, () => parse(value)));
  const part = (field: 'os' | 'release' | 'variant') =>
    check(field, request[field], (text) => parseNamePart(field, text));
  for (const field of ['title', 'label', 'osTitle'] as const) {
    check(field, request[field], (text) => assertText(field, text));
  }
  check('eol', request.eol, (text) => assertDate('eol', text));
  check('requirements', request.requirements, assertRequirements);
  return defined({
    os: part('os'),
    release: part('release'),
    variant: part('variant'),
    architecture: check('architecture', request.architecture, parseArchitecture),
    serial: check('serial', request.serial, parseSerial),
    stream: check('stream', request.stream, parseStream) ?? 'images',
    aliases: check('aliases', request.aliases, (aliases) => [...new Set(aliases)].map(parseAlias)) ?? [],
    requirements: request.requirements ?? {},
  });
}

function assertRequirements(requirements: Record<string, string>): void {
  for (const [key, value] of Object.entries(requirements)) {
    assertRequirement(`requirement ${JSON.stringify(key)}`, key, value);
  }
}

/**
 * Checks the requirements of instances.
 * @param where the field in messages
 * @throws HeadwaterError `invalid`
 */
export function assertRequirement(where: string, key: string, value: string): void {
  if (!/^[A-Za-z0-9_.-]+$/.test(key)) {
    throw new HeadwaterError('invalid', `${where}: use letters, digits and . _ - in its name`);
  }
  assertText(where, value);
}

function assertDate(field: string, value: string): void {
  const date = new Date(`${value}T00:00:00Z`);
  const valid =
    /^\d{4}-\d{2}-\d{2}$/.test(value) &&
    !Number.isNaN(date.getTime()) &&
    date.toISOString().startsWith(value);
  if (!valid)
    throw new HeadwaterError('invalid', `${field} ${JSON.stringify(value)}: expected a date as YYYY-MM-DD`);
}

/**
 * Checks a text that documents show.
 * @param field the field in messages
 * @throws HeadwaterError `invalid`
 */
export function assertText(field: string, value: string): void {
  if (value.length <= 200 && !/[\u0000-\u001f\u007f]/.test(value)) return;
  throw new HeadwaterError('invalid', `${field}: use at most 200 characters, and no control characters`);
}
