import fc from 'fast-check';
import { expect, test } from 'vitest';
import { assertEnd, jsonMembers, parse } from '../../../src/simplestreams/read/json-members.ts';

/** Reads an object member by member. */
function read(text: string): [string, unknown][] {
  const bytes = Buffer.from(text);
  const found: [string, unknown][] = [];
  const members = jsonMembers(bytes);
  for (let step = members.next(); ; step = members.next()) {
    if (step.done) {
      assertEnd(bytes, step.value);
      return found;
    }
    const { name, start, end } = step.value;
    found.push([name, parse(bytes, start, end)]);
  }
}

test('any object is read as JSON.parse reads it, however it is written', () => {
  const space = fc.constantFrom(undefined, 1, '\t', ' \n');
  fc.assert(
    fc.property(fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue()), space, (object, indent) => {
      const text = JSON.stringify(object, undefined, indent);
      expect(read(` ${text}\n`)).toEqual(Object.entries(JSON.parse(text) as object));
    }),
  );
});

test('no text is taken that JSON.parse refuses', () => {
  const pieces = fc.constantFrom('{', '}', '[', ']', '"a"', ':', ',', '1', 'true', '"\\"', ' ', 'x', '"');
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 12 }), (parts) => {
      const text = parts.join('');
      let taken: [string, unknown][];
      try {
        taken = read(text);
      } catch (error) {
        expect(error).toBeInstanceOf(SyntaxError);
        return;
      }
      expect(Object.fromEntries(taken)).toEqual(JSON.parse(text));
    }),
    { numRuns: 5000 },
  );
});
