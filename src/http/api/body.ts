import type { IncomingMessage } from 'node:http';
import type { z } from 'zod';
import { HeadwaterError } from '../../errors.ts';

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
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request) {
    length += (chunk as Buffer).length;
    if (length > bodyLimit) throw new HeadwaterError('too-large', `the body is over ${bodyLimit} bytes`);
    chunks.push(chunk as Buffer);
  }
  let value: unknown;
  try {
    value = JSON.parse(Buffer.concat(chunks).toString());
  } catch (error) {
    throw new HeadwaterError('invalid', 'the body is not JSON', { cause: error });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'body'}: ${issue.message}`);
  throw new HeadwaterError('invalid', problems.join('; '));
}
