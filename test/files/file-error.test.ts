import { describe, expect, test } from 'vitest';
import { HeadwaterError } from '../../src/errors.ts';
import { type FileOperation, fileError } from '../../src/files/file-error.ts';

/** A failed system call, as Node.js reports it. */
const failed = (code: string) => Object.assign(new Error(`${code}: it failed, open '/x'`), { code });
const described = (code: string, operation: Omit<FileOperation, 'path'>) => {
  const error = fileError(failed(code), { path: '/x', ...operation });
  if (!(error instanceof HeadwaterError)) throw error;
  return `${error.kind}: ${error.message}`;
};

describe('a failed operation on a file', () => {
  test.each(['EACCES', 'EPERM'])('names a missing permission, and who needs it (%s)', (code) => {
    const reason = `permission denied (${code}): give the user that runs Headwater access to it`;
    expect(described(code, { doing: 'read', isInput: true })).toBe(`invalid: /x: cannot be read: ${reason}`);
    expect(described(code, { doing: 'list', isInput: true })).toBe(
      `invalid: /x: cannot be listed: ${reason}`,
    );
    expect(described(code, { doing: 'write' })).toBe(`unavailable: /x: cannot be written: ${reason}`);
  });

  test('names a read-only file system, and what to do', () => {
    expect(described('EROFS', { doing: 'write' })).toBe(
      'unavailable: /x: cannot be written: the file system is mounted read-only (EROFS): mount it for writing, or configure another directory',
    );
  });

  test.each([
    ['ENOSPC', 'the disk is full'],
    ['EDQUOT', 'the quota is used up'],
  ])('is a lack of space, whatever was done (%s)', (code, problem) => {
    expect(described(code, { doing: 'create' })).toBe(
      `no-space: /x: ${problem}: free some space, then try again`,
    );
    expect(described(code, { doing: 'read', isInput: true })).toContain(problem);
  });

  test('tells a file that a person named from one that Headwater misses', () => {
    expect(described('ENOENT', { doing: 'read', isInput: true })).toBe('not-found: /x: no such file');
    expect(described('ENOENT', { doing: 'list', isInput: true })).toBe(
      'not-found: /x: no such file or directory',
    );
    expect(described('ENOENT', { doing: 'read' })).toMatch(/^unavailable: .*is the file system mounted\?$/);
  });

  test('is not blamed on the file when the machine failed', () => {
    expect(described('EIO', { doing: 'read', isInput: true })).toMatch(
      /^unavailable: .*check the system log and the disk$/,
    );
    expect(described('EMFILE', { doing: 'read', isInput: true })).toMatch(/^unavailable: .*ulimit -n/);
    expect(described('ELOOP', { doing: 'read', isInput: true })).toMatch(/^invalid: .*form a circle/);
  });

  test('of an unknown kind is told in the words of the system', () => {
    expect(described('EWEIRD', { doing: 'move' })).toBe(
      "unavailable: /x: cannot be moved: EWEIRD: it failed, open '/x'",
    );
  });

  test('keeps its cause, which exit codes are made of', () => {
    const cause = failed('EACCES');
    expect(fileError(cause, { path: '/x', doing: 'read' }).cause).toBe(cause);
  });
});

test('an error that is no failed system call stays as it is', () => {
  const known = new HeadwaterError('conflict', 'taken');
  const defect = new TypeError('x is undefined');
  expect(fileError(known, { path: '/x', doing: 'read' })).toBe(known);
  expect(fileError(defect, { path: '/x', doing: 'read' })).toBe(defect);
});
