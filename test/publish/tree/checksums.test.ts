import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HeadwaterError } from '../../../src/errors.ts';
import { parseChecksums } from '../../../src/publish/tree/checksums.ts';
import { run } from '../../support/command.ts';
import { makeDirectory, sha256, writeFiles } from './trees.ts';

const digest = sha256('some bytes');

test.each([
  ['text mode of sha256sum', `${digest}  rootfs.squashfs`],
  ['binary mode of sha256sum', `${digest} *rootfs.squashfs`],
  ['one space', `${digest} rootfs.squashfs`],
  ['a path below the directory itself', `${digest}  ./rootfs.squashfs`],
  ['upper-case digits', `${digest.toUpperCase()}  rootfs.squashfs`],
  ['the line ends of other systems', `${digest}  rootfs.squashfs\r`],
])('reads a line: %s', (_, line) => {
  expect(parseChecksums(`\n${line}\n\n`, 'SHA256SUMS')).toEqual(new Map([['rootfs.squashfs', digest]]));
});

test('reads what sha256sum writes, strange names included', async () => {
  const directory = await makeDirectory();
  const names = ['rootfs.squashfs', 'two words.img', 'back\\slash', 'two\nlines', '*star'];
  await writeFiles(directory, Object.fromEntries(names.map((name) => [name, name])));
  for (const mode of ['--text', '--binary']) {
    const sums = await run('sha256sum', [mode, '--', ...names], { cwd: directory });
    expect(parseChecksums(sums, 'SHA256SUMS')).toEqual(new Map(names.map((name) => [name, sha256(name)])));
  }
});

test('passes over files of other directories', () => {
  const text = `${digest}  ../lxd.tar.xz\n${digest}  other/lxd.tar.xz\n${digest}  /srv/lxd.tar.xz\n`;
  expect(parseChecksums(text, 'SHA256SUMS')).toEqual(new Map());
});

test.each([
  ['a digest that is too short', `${digest.slice(1)}  rootfs.squashfs`],
  ['a digest of another kind', `${digest}${digest}  rootfs.squashfs`],
  ['no name', digest],
  ['no digest', 'rootfs.squashfs'],
])('names the line of what is wrong: %s', (_, line) => {
  const read = () => parseChecksums(`${digest}  lxd.tar.xz\n${line}\n`, '/srv/build/SHA256SUMS');
  expect(read).toThrow(/^\/srv\/build\/SHA256SUMS: line 2: /);
  expect(read).toThrow(expect.objectContaining({ kind: 'invalid' }));
});

test('refuses two digests for one file', () => {
  const other = sha256('other bytes');
  expect(() => parseChecksums(`${digest}  a\n${other} *./a\n`, 'SHA256SUMS')).toThrow(
    /line 2: a second, diff/,
  );
  expect(parseChecksums(`${digest}  a\n${digest}  a\n`, 'SHA256SUMS').size).toBe(1);
});

test('gives back every list that it could have been given', () => {
  const name = fc.stringMatching(/^[A-Za-z0-9_+-][A-Za-z0-9._+ -]{0,40}[A-Za-z0-9]$/);
  const hex = fc.stringMatching(/^[0-9a-f]{64}$/);
  const separator = fc.constantFrom('  ', ' *', ' ', '  ./', ' *./');
  const lists = fc.uniqueArray(fc.record({ name, hex, separator }), { selector: (line) => line.name });
  fc.assert(
    fc.property(lists, (lines) => {
      const text = lines.map((line) => `${line.hex}${line.separator}${line.name}\n`).join('');
      expect([...parseChecksums(text, 'x')]).toEqual(lines.map((line) => [line.name, line.hex]));
    }),
  );
});

test('any text is read or refused with its line', () => {
  const piece = fc.oneof(fc.string(), fc.constantFrom(digest, `${digest}  `, '\n', '\\', ' *', './'));
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      try {
        for (const name of parseChecksums(pieces.join(''), 'x').keys()) expect(name).toMatch(/^[^/]+$/);
      } catch (error) {
        if (!(error instanceof HeadwaterError)) throw error;
        expect(error.message).toMatch(/^x: line \d+: /);
      }
    }),
  );
});
