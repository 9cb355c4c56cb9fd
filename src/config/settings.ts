import * as z from 'zod';
import { type Kind, kinds } from './fields.ts';
import { schema } from './schema.ts';

/** One setting of the schema: a value, not a group. */
export interface Setting {
  /** `['listen', 'port']` */
  path: string[];
  /** `listen.port` */
  key: string;
  /** `HEADWATER_LISTEN_PORT` */
  variable: string;
  kind: Kind;
}

/** Every setting once, in the order of the schema, including those of all kinds of `tls` and `storage`. */
export const settings: readonly Setting[] = unique([...collect(schema, [])]);

const byKey = new Map(settings.map((setting) => [setting.key, setting]));

/** The setting of a key such as `listen.port`, or undefined. */
export function findSetting(key: string): Setting | undefined {
  return byKey.get(key);
}

function unique(all: Setting[]): Setting[] {
  return [...new Map(all.map((setting) => [setting.key, setting])).values()];
}

function* collect(type: z.core.$ZodType, path: string[]): Generator<Setting> {
  const noted = z.globalRegistry.get(type)?.['kind'];
  const kind = kinds.find((known) => known === noted);
  if (kind !== undefined) {
    yield { path, key: path.join('.'), variable: variableOf(path), kind };
  } else if (type instanceof z.ZodObject) {
    for (const [name, member] of Object.entries(type.shape)) {
      yield* collect(member as z.core.$ZodType, [...path, name]);
    }
  } else if (type instanceof z.ZodUnion) {
    for (const option of type.options) yield* collect(option, path);
  } else if (type instanceof z.ZodPrefault || type instanceof z.ZodExactOptional) {
    yield* collect(type.unwrap() as z.core.$ZodType, path);
  } else if (type instanceof z.ZodPipe) {
    yield* collect(type.in, path);
  } else if (type instanceof z.ZodLiteral) {
    yield { path, key: path.join('.'), variable: variableOf(path), kind: 'text' };
  } else {
    throw new TypeError(`unsupported schema type for ${path.join('.')}`);
  }
}

function variableOf(path: string[]): string {
  const words = path.map((name) => name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase());
  return `HEADWATER_${words.join('_')}`;
}
