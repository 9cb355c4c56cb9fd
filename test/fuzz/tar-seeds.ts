import { pack } from 'tar-stream';
import { file, folder, metadataYaml, packTar } from '../image/fixtures.ts';
import { sealHeaders } from './mutate.ts';

/** Tarballs with sizes and names in the ways that go beyond the fields of ustar. */
export async function tarSeeds(): Promise<Record<string, Buffer>> {
  const members = [file('metadata.yaml', metadataYaml), folder('rootfs/etc'), file('rootfs/etc/os-release')];
  return {
    'base-256.tar': inBase256(await packTar(members)),
    'pax-size.tar': await withPaxRecords((text) => ({ size: String(text.length), path: 'metadata.yaml' })),
    'pax-other.tar': await withPaxRecords(() => ({
      mtime: '1700000000.5',
      uid: '2097152',
      comment: 'x'.repeat(2000),
      'GNU.sparse.major': '1',
      'GNU.sparse.minor': '0',
      'GNU.sparse.name': 'metadata.yaml',
      'GNU.sparse.realsize': '4096',
    })),
  };
}

/** Writes every size as GNU tar writes those of 8 GiB and more. */
function inBase256(archive: Buffer): Buffer {
  const bytes = Buffer.from(archive);
  for (let at = 0; at + 512 <= bytes.length; at += 512) {
    if (bytes.toString('latin1', at + 257, at + 262) !== 'ustar') continue;
    const size = Number.parseInt(bytes.toString('latin1', at + 124, at + 135), 8);
    bytes.fill(0, at + 124, at + 136);
    bytes.writeUInt8(0x80, at + 124);
    bytes.writeUIntBE(size, at + 130, 6);
  }
  sealHeaders(bytes);
  return bytes;
}

async function withPaxRecords(records: (text: string) => Record<string, string>): Promise<Buffer> {
  const archive = pack();
  for (const [name, text] of [
    ['metadata.yaml', metadataYaml],
    ['rootfs/bin/sh', 'sh'.repeat(300)],
  ] as const) {
    const path = name === 'metadata.yaml' ? {} : { path: name };
    archive.entry({ name, size: text.length, pax: { ...records(text), ...path } }, text);
  }
  archive.finalize();
  const parts: Uint8Array[] = [];
  for await (const bytes of archive) parts.push(bytes as Uint8Array);
  return Buffer.concat(parts);
}
