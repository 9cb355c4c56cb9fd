// The first bytes of files. In a module of its own, because the examiners take long to load.

/** Whether a file begins as a squashfs does. */
export function isSquashfs(head: Uint8Array): boolean {
  return beginsWith(head, 'hsqs');
}

/** Whether a file begins as a qcow2 disk does. */
export function isQcow2(head: Uint8Array): boolean {
  return beginsWith(head, 'QFI\xfb');
}

function beginsWith(head: Uint8Array, magic: string): boolean {
  return Buffer.from(head.subarray(0, magic.length)).toString('latin1') === magic;
}
