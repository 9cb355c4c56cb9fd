import { parentPort } from 'node:worker_threads';
import { HeadwaterError, messageOf } from '../../../errors.ts';
import { openSigner } from '../../../keys/open-signer.ts';
import type { Signer } from '../../../keys/signer.ts';
import { gzipSegment } from '../gzip-segment.ts';
import { signedForm } from './signed-form.ts';
import type { Answers, FromSigningThread, Question, ToSigningThread } from './signing-messages.ts';

// Signs documents in a thread of its own, one after the other.

const port = parentPort;
if (port === null) throw new Error('signing-worker.ts runs only as a worker thread');

let signer: Signer | undefined;
let queue = Promise.resolve();

port.on('message', ({ id, question }: ToSigningThread) => {
  queue = queue.then(async () => {
    try {
      const { answer, transferred } = await answerTo(question);
      port.postMessage({ id, answer } satisfies FromSigningThread, transferred);
    } catch (error) {
      const kind = error instanceof HeadwaterError ? error.kind : undefined;
      const failure = { kind, message: messageOf(error) };
      port.postMessage({ id, failure } satisfies FromSigningThread);
    }
  });
});

/** An answer, and the parts of it whose memory the other thread takes over. */
interface Reply {
  answer: Answers[keyof Answers];
  transferred: ArrayBuffer[];
}

async function answerTo(question: Question): Promise<Reply> {
  if (question.type === 'open') {
    signer = await openSigner(question.source);
    return { answer: true, transferred: [] };
  }
  if (signer === undefined) throw new Error('nothing to sign with');
  if (question.type === 'detached') {
    const signature = copy(await signer.detached(question.bytes));
    return { answer: signature, transferred: [signature.buffer] };
  }
  if (question.type === 'detached-from') {
    const signature = copy(await signer.detachedFrom(question.stream));
    return { answer: signature, transferred: [signature.buffer] };
  }
  const { text, shortened, omitted } = signedForm(question.json);
  const { plain, deflated, crc, hash } = await gzipSegment(await signer.clear(text));
  const own = { plain: copy(plain), deflated: copy(deflated) };
  return {
    answer: { segment: { ...own, crc, hash: copy(hash) }, shortened, omitted },
    transferred: [own.plain.buffer, own.deflated.buffer],
  };
}

/** A copy in separate memory, which can be transferred. */
function copy(bytes: Uint8Array): Buffer<ArrayBuffer> {
  const own = Buffer.from(new ArrayBuffer(bytes.length));
  own.set(bytes);
  return own;
}
