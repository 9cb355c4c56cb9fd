import type { IncomingMessage } from 'node:http';
import type * as z from 'zod';
import { bytesOf } from '../../async/bytes-of.ts';
import { HeadwaterError, LimitError } from '../../errors.ts';

/** The most that a JSON body may have, in bytes. */
const bodyLimit = 1024 * 1024;
/** The longest that one may take to arrive, in milliseconds. */
const bodyTimeout = 60_000;

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
  const timer = setTimeout(() => request.destroy(), bodyTimeout);
  try {
    // Left early, the body must stay open: its sender has yet to read the answer.
    for await (const chunk of bytesOf(request, { destroyOnReturn: false })) {
      length += chunk.length;
      if (length > bodyLimit)
        throw new LimitError('bodySize', 'too-large', `the body is over ${bodyLimit} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof HeadwaterError) throw error;
    throw new HeadwaterError('aborted', 'the client left before the end of the body', { cause: error });
  } finally {
    clearTimeout(timer);
  }
  // Where the schema allows it, there need be none.
  if (length === 0) {
    const without = schema.safeParse(undefined);
    if (without.success) return without.data;
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
  const fields = [...new Set(parsed.error.issues.flatMap(({ path: [field] }) => field ?? []))].map(String);
  throw new HeadwaterError('invalid', problems.join('; '), fields.length === 0 ? {} : { fields });
}
