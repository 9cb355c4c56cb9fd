import * as z from 'zod';

// The bodies that the API answers with: the OpenAPI document shows them, and a test holds real answers against them.
// The types of what the routes send are checked against them.

/** A value as JSON carries it. */
export type Json<Value> = Value extends Date
  ? string
  : Value extends readonly (infer Element)[]
    ? Json<Element>[]
    : Value extends object
      ? { [Key in keyof Value]: Json<Value[Key]> }
      : Value;

export const time = z.iso.datetime();
export const bytes = z.int().nonnegative().meta({ description: 'Bytes.' });
export const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
export const names = z.array(z.string());
