import { expect, test } from 'vitest';
import { file, folder, packTar } from '../fixtures.ts';
import { refusal } from '../inspecting.ts';

test.each([
  [
    'the backup of an instance',
    [folder('backup'), file('backup/index.yaml', 'name: c1'), file('backup/container/rootfs/bin/sh')],
    /backup of an instance .*lxc import.*lxc publish/,
  ],
  [
    'an exported image in an archive',
    [file('meta-0123.tar.xz', 'x'), file('0123.squashfs', 'x')],
    /it holds "meta-0123\.tar\.xz", which looks like a file of an image: unpack the archive/,
  ],
  [
    'a unified image in a folder',
    [folder('image'), file('image/metadata.yaml'), file('image/rootfs/bin/sh')],
    /the image is in the folder "image": pack it without the folder, with tar -C "image"/,
  ],
  [
    'a root filesystem in a folder',
    [folder('debian'), folder('debian/bin'), folder('debian/etc')],
    /the root filesystem is in the folder "debian"/,
  ],
])('%s is refused with advice', async (_, entries, advice) => {
  expect(await refusal(await packTar(entries))).toMatch(advice);
});
