import { expect, test } from 'vitest';
import { aliasesAnswer } from '../../../src/http/api/openapi/image-answers.ts';
import { readAnswer } from '../../../src/http/api/openapi/read-answer.ts';

const alias = {
  stream: 'images',
  name: 'web',
  description: '',
  os: 'debian',
  release: 'bookworm',
  variant: 'default',
  products: ['debian:bookworm:amd64:default'],
};

test('fields that a later version of the server adds are left out, at every depth', () => {
  const pinned = { product: 'debian:bookworm:amd64:default', serial: '20260101_0000' };
  const answer = {
    aliases: [{ ...alias, pinned: { ...pinned, since: 1 }, color: 'blue' }, alias],
    next: 'x',
  };
  expect(readAnswer(aliasesAnswer, answer)).toEqual({ aliases: [{ ...alias, pinned }, alias] });
});

test.each([
  ['a field that is missing', { aliases: [{ ...alias, products: undefined }] }, /aliases\.0\.products: /],
  ['a field of another type', { aliases: [{ ...alias, os: 1, color: 'blue' }] }, /aliases\.0\.os: /],
  ['something else', ['a', 'b'], /body: /],
  ['nothing', undefined, /body: /],
])('%s is named', (_, answer, message) => {
  expect(() => readAnswer(aliasesAnswer, answer)).toThrow(message);
});
