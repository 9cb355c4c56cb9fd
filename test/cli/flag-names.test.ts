import { expect, test } from 'vitest';
import { messageInFlags } from '../../src/cli/flag-names.ts';
import { HeadwaterError } from '../../src/errors.ts';

test.each([
  [
    ['architecture'],
    'architecture was given as arm64, but metadata.yaml says amd64: leave architecture out',
    '--arch was given as arm64, but metadata.yaml says amd64: leave --arch out',
  ],
  [
    ['os'],
    'metadata.yaml has no property "os": give it with os',
    'metadata.yaml has no property "os": give it with --os',
  ],
  [
    ['serial'],
    'metadata.yaml: property serial "v7": expected a date: correct it, or give serial',
    'metadata.yaml: property serial "v7": expected a date: correct it, or give --serial',
  ],
  [
    ['os'],
    'root.tar: its os-release: os "a/b": use letters; or give another with os',
    'root.tar: its os-release: os "a/b": use letters; or give another with --os',
  ],
  [
    ['release', 'architecture'],
    'root.tar: give release and architecture',
    'root.tar: give --release and --arch',
  ],
  [['os'], 'os "a/b": use letters', '--os: os "a/b": use letters'],
  [['aliases'], 'alias "a,b": use names', '--alias: alias "a,b": use names'],
  [['requirements'], 'requirement "a b": use letters', '--requirement: requirement "a b": use letters'],
  [['names'], 'names: expected patterns', '--name-pattern: expected patterns'],
  [['files'], 'files: expected one at least', 'files: expected one at least'],
  [['(', 'constructor'], 'what a server says', 'what a server says'],
  [undefined, 'the release is gone', 'the release is gone'],
])('an error about %j names flags', (fields, message, expected) => {
  const error = new HeadwaterError('invalid', message, fields === undefined ? {} : { fields });
  expect(messageInFlags(error)).toBe(expected);
});
