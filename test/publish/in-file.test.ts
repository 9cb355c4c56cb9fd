import { expect, test } from 'vitest';
import { HeadwaterError } from '../../src/errors.ts';
import { inFile } from '../../src/publish/in-file.ts';

const failure = (message: string) => new HeadwaterError('invalid', message);

test('an error names its file, once', () => {
  expect(inFile('empty', failure('the file is empty'))).toEqual(failure('empty: the file is empty'));
  const named = failure('build/root.tar: no such file');
  expect(inFile('root.tar', named)).toBe(named);
  const defect = new TypeError('x');
  expect(inFile('root.tar', defect)).toBe(defect);
});
