import type * as z from 'zod';
import { HeadwaterError } from '../../../errors.ts';

/** A description of an answer. */
export type AnswerSchema<Answer> = z.ZodType<Answer>;

/** The answer that a schema describes. */
export type AnswerOf<Schema extends z.ZodType> = z.output<Schema>;

/**
 * Reads the JSON of a response as the answer that the API describes. Fields that this version does not know are left out:
 * a later version of the server may add some. The order of the fields stays.
 * @param value freshly parsed; changed
 * @throws HeadwaterError `unavailable` naming the first field that is missing or has another type
 */
export function readAnswer<Answer>(schema: AnswerSchema<Answer>, value: unknown): Answer {
  while (!isAnswer(schema, value)) {
    const issues = schema.safeParse(value).error?.issues ?? [];
    const wrong = issues.find(({ code }) => code !== 'unrecognized_keys');
    if (wrong !== undefined) {
      throw new HeadwaterError(
        'unavailable',
        `the response is not that of this version's API: ${wrong.path.join('.') || 'body'}: ${wrong.message}`,
      );
    }
    for (const issue of issues) {
      if (issue.code === 'unrecognized_keys') removeKeys(value, issue.path, issue.keys);
    }
  }
  return value;
}

/** The schemas of answers change no values. */
function isAnswer<Answer>(schema: AnswerSchema<Answer>, value: unknown): value is Answer {
  return schema.safeParse(value).success;
}

function removeKeys(value: unknown, path: readonly PropertyKey[], keys: readonly string[]): void {
  const [first, ...rest] = path;
  if (typeof value !== 'object' || value === null) return;
  if (first !== undefined) removeKeys(Reflect.get(value, first), rest, keys);
  else for (const key of keys) Reflect.deleteProperty(value, key);
}
