import type { IncomingMessage } from 'node:http';
import type * as z from 'zod';
import { HeadwaterError } from '../../errors.ts';
import { wholeBody } from '../whole-body.ts';

/** The most that a JSON body may have, in bytes. */
const bodyLimit = 1024 * 1024;

/**
 * Reads a JSON body and checks it.
 * @throws HeadwaterError `too-large`; `invalid`, naming each field that is wrong
 */
export async function readBody<Schema extends z.ZodType>(
  request: IncomingMessage,
  schema: Schema,
): Promise<z.infer<Schema>> {
  const bytes = await wholeBody(request, bodyLimit);
  // Where the schema allows it, there need be none.
  if (bytes.length === 0) {
    const without = schema.safeParse(undefined);
    if (without.success) return without.data;
  }
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString());
  } catch (error) {
    throw new HeadwaterError('invalid', 'the body is not JSON', { cause: error });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'body'}: ${issue.message}`);
  const fields = [...new Set(parsed.error.issues.flatMap(({ path: [field] }) => field ?? []))].map(String);
  throw new HeadwaterError('invalid', problems.join('; '), fields.length === 0 ? {} : { fields });
}
