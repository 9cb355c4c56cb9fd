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
      const answer = await answerTo(question);
      port.postMessage({ id, answer } satisfies FromSigningThread, transferable(answer));
    } catch (error) {
      const kind = error instanceof HeadwaterError ? error.kind : undefined;
      const failure = { kind, message: messageOf(error) };
      port.postMessage({ id, failure } satisfies FromSigningThread);
    }
  });
});

async function answerTo(question: Question): Promise<Answers[keyof Answers]> {
  if (question.type === 'open') {
    signer = await openSigner(question.source);
    return true;
  }
  if (signer === undefined) throw new Error('nothing to sign with');
  if (question.type === 'detached') return copy(await signer.detached(question.bytes));
  const { text, shortened, omitted } = signedForm(question.json);
  const { plain, deflated, crc, hash } = await gzipSegment(await signer.clear(text));
  return {
    segment: { plain: copy(plain), deflated: copy(deflated), crc, hash: copy(hash) },
    shortened,
    omitted,
  };
}

/** A copy in separate memory, which can be transferred. */
function copy(bytes: Uint8Array): Buffer {
  const own = Buffer.from(new ArrayBuffer(bytes.length));
  own.set(bytes);
  return own;
}

function transferable(answer: Answers[keyof Answers]): ArrayBuffer[] {
  if (answer === true) return [];
  const parts = answer instanceof Uint8Array ? [answer] : [answer.segment.plain, answer.segment.deflated];
  return parts.map(({ buffer }) => buffer as ArrayBuffer);
}
