import { expect, test } from 'vitest';
import { flatten } from '../../../src/image/tar/flatten.ts';
import { walkTar } from '../../../src/image/tar/tar.ts';
import { type PackEntry, packTar } from '../../../src/image/tar/tar-pack.ts';

const mtime = new Date(0);
const file = (name: string, text = name, mode = 0o644): PackEntry => ({
  ...{ name, type: 'file', mode, mtime, bytes: Buffer.from(text) },
});
const folder = (name: string, mode = 0o755): PackEntry => ({ name, type: 'directory', mode, mtime });
const link = (name: string, linkName: string): PackEntry => ({
  name,
  type: 'link',
  mode: 0o644,
  mtime,
  linkName,
});
const deleted = (name: string) => file(name.replace(/([^/]+)$/, '.wh.$1'), '');
const opaque = (name: string) => file(`${name}/.wh..wh..opq`, '');

/** The flattened archive: each path with its content, its target or its mode. */
async function flattened(...layers: PackEntry[][]): Promise<Record<string, string>> {
  const archives = await Promise.all(layers.map((entries) => packTar(entries)));
  const open = (archive: Buffer) =>
    async function* () {
      // In small pieces, as from a pipe.
      for (let at = 0; at < archive.length; at += 700) yield archive.subarray(at, at + 700);
    };
  const found: Record<string, string> = {};
  await walkTar(flatten(archives.map(open)), ({ name, type, linkName, mode }) => {
    expect(found).not.toHaveProperty([name]);
    if (type === 'link') found[name] = `-> ${linkName}`;
    else if (type === 'directory') found[name] = `/ ${mode.toString(8)}`;
    else {
      found[name] = '';
      return {
        write: (bytes) => {
          found[name] += Buffer.from(bytes).toString();
        },
      };
    }
    return undefined;
  });
  return found;
}

test('an entry replaces those of its path in the layers below', async () => {
  const found = await flattened(
    [folder('etc'), file('etc/a', 'old'), file('./etc/b', 'kept')],
    [file('etc/a', 'new'), file('etc/c', '')],
  );
  expect(found).toEqual({ etc: '/ 755', 'etc/a': 'new', 'etc/b': 'kept', 'etc/c': '' });
});

test('a whiteout deletes a file, or a directory with everything in it, of the layers below only', async () => {
  const found = await flattened(
    [folder('a'), folder('a/b'), file('a/b/c'), file('x'), file('xy')],
    [deleted('a/b'), deleted('x')],
    [folder('a/b'), file('a/b/new')],
  );
  expect(found).toEqual({ a: '/ 755', xy: 'xy', 'a/b': '/ 755', 'a/b/new': 'a/b/new' });
});

test('an opaque directory hides what the layers below have in it, not what its own layer has', async () => {
  const found = await flattened(
    [folder('a'), file('a/old'), folder('b'), file('b/kept')],
    [folder('a', 0o700), opaque('a'), file('a/new')],
  );
  expect(found).toEqual({ a: '/ 700', 'a/new': 'a/new', b: '/ 755', 'b/kept': 'b/kept' });
});

test('a file in the place of a directory hides its content, and the other way round', async () => {
  const found = await flattened(
    [folder('a'), file('a/b'), file('c', 'file')],
    [file('a', 'file'), folder('c'), file('c/d')],
  );
  expect(found).toEqual({ a: 'file', c: '/ 755', 'c/d': 'c/d' });
});

test('a directory comes before its entries, with the mode of the highest layer', async () => {
  const found = await flattened([folder('a', 0o755), file('a/b')], [folder('a', 0o700)]);
  expect(Object.keys(found)).toEqual(['a', 'a/b']);
  expect(found['a']).toBe('/ 700');
});

test('hard links keep their bytes, also when their first name is replaced or deleted', async () => {
  const found = await flattened(
    [file('a', 'bytes'), link('b', 'a'), link('c', 'a'), file('d', 'other'), link('e', 'd')],
    [file('a', 'new'), deleted('d')],
  );
  expect(found).toEqual({ a: 'new', b: 'bytes', c: '-> b', e: 'other' });
});

test('a hard link to a file of a layer below stays; one to a file that another layer replaces is refused', async () => {
  expect(await flattened([file('a', 'bytes')], [link('b', 'a')])).toEqual({ a: 'bytes', b: '-> a' });
  await expect(flattened([file('a')], [link('b', 'a')], [file('a', 'new')])).rejects.toThrow('hard link');
});

test('damaged layers are refused', async () => {
  const archive = await packTar([file('a', 'x'.repeat(5000))]);
  const cut = [archive.subarray(0, 1500), Buffer.from('no archive at all'.repeat(60))];
  for (const bytes of cut) {
    const read = async () => {
      for await (const _ of flatten([
        async function* () {
          yield bytes;
        },
      ]));
    };
    await expect(read()).rejects.toThrow('damaged');
  }
});
