import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { bytesOf } from '../../async/bytes-of.ts';
import { messageOf } from '../../errors.ts';
import { LiblzmaDecoder } from '../../image/compression/xz/liblzma-decoder.ts';
import { liblzmaFrame } from '../../image/compression/xz/liblzma-frames.ts';

// A process of its own that unpacks one file: it receives the file over a socket, and answers with frames. It ends at
// any point when the socket closes.

const [path = '', format, dictionary] = process.argv.slice(2);
const socket = connect({ path, allowHalfOpen: true });
socket.once('connect', () => rmSync(dirname(path), { recursive: true, force: true }));
socket.once('error', () => {
  rmSync(dirname(path), { recursive: true, force: true });
  process.exit(1);
});
socket.once('close', () => process.exit());

async function send(frame: Buffer): Promise<void> {
  if (!socket.write(frame)) await once(socket, 'drain');
}

async function unpack(): Promise<void> {
  const decoder = new LiblzmaDecoder({
    format: format === 'xz' ? 'xz' : 'lzma',
    dictionary: Number(dictionary),
  });
  for await (const chunk of bytesOf(socket, { destroyOnReturn: false })) {
    for (const bytes of decoder.decode(chunk)) await send(liblzmaFrame('data', bytes));
  }
  for (const bytes of decoder.end()) await send(liblzmaFrame('data', bytes));
}

/** Further bytes are read and dropped: only then is the end of the socket noticed. */
function answer(frame: Buffer): void {
  socket.end(frame);
  socket.resume();
}

void unpack().then(
  () => answer(liblzmaFrame('end')),
  (error: unknown) => answer(liblzmaFrame('failure', Buffer.from(messageOf(error)))),
);
