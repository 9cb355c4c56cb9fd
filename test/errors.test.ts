import { isNativeError } from 'node:util/types';
import { describe, expect, test } from 'vitest';
import { HeadwaterError, isKind, LimitError, limitErrorOf, within } from '../src/errors.ts';

describe('an error that is met within something', () => {
  const cause = new TypeError('x');
  const original = new LimitError('bodySize', 'too-large', 'the body is too large', {
    cause,
    fields: ['title'],
  });
  const named = original.within('POST /x');

  test('says so, and is otherwise the same', () => {
    expect(named.message).toBe('POST /x: the body is too large');
    expect(named).toBeInstanceOf(LimitError);
    expect(named).toMatchObject({
      kind: 'too-large',
      limit: 'bodySize',
      fields: ['title'],
      name: 'LimitError',
    });
    expect(limitErrorOf(named)).toBe(named);
    expect(isNativeError(named)).toBe(true);
    expect(String(named)).toBe('LimitError: POST /x: the body is too large');
  });

  test('has the original as its cause, which stays as it was', () => {
    expect(named.cause).toBe(original);
    expect(original).toMatchObject({ message: 'the body is too large', cause });
  });

  test('says so once', () => {
    expect(named.within('POST /x')).toBe(named);
    expect(named.within('retry').message).toBe('retry: POST /x: the body is too large');
    expect(original.within('build', '/').message).toBe('build/the body is too large');
  });

  test('is told from a defect', () => {
    expect(within('a', named)).toMatchObject({ message: 'a: POST /x: the body is too large' });
    expect(within('a', cause)).toBe(cause);
  });
});

test('an error can be about fields of a request', () => {
  const error = new HeadwaterError('invalid', 'os "": use letters').about('os');
  expect(error).toMatchObject({ fields: ['os'], message: 'os "": use letters', kind: 'invalid' });
  expect(error.within('a.yaml').fields).toEqual(['os']);
});

test('errors are told apart by their kind', () => {
  const error = new LimitError('operations', 'too-large', 'too many');
  expect(isKind(error, 'invalid', 'too-large')).toBe(true);
  expect(isKind(error, 'invalid')).toBe(false);
  expect(isKind(Object.assign(new Error('x'), { kind: 'invalid' }), 'invalid')).toBe(false);
});
