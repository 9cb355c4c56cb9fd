import { Readable } from 'node:stream';
import { imageFields } from '../../registry/image-view.ts';
import type { VisibleImages } from '../../registry/visible-images.ts';
import { single } from '../api/query.ts';
import { type Context, identityOf } from '../context.ts';
import { envelope } from './envelope.ts';
import { filtered, parseFilter } from './listing/list-filter.ts';
import { isRecursive } from './listing/recursion.ts';

/** Lists images. A catalog may have a hundred thousand: they are sent as they are read. */
export async function listImages(context: Context, { images }: { images: VisibleImages }): Promise<void> {
  const recursion = isRecursive(context);
  const isWanted = await parseFilter(single(context, 'filter'), imageFields);
  const all = images.each(identityOf(context));
  const wanted = isWanted === undefined ? all : filtered(all, ({ view }) => isWanted(view));
  const items = listed(wanted, ({ view }) => (recursion ? view : `/1.0/images/${view.fingerprint}`));
  const [before = '', after = ''] = JSON.stringify(envelope('@')).split('"@"');
  context.status = 200;
  context.body = Readable.from(framed(before, items, after), { objectMode: false });
  context.type = 'application/json';
}

async function* listed<Item>(
  items: AsyncIterable<Item>,
  show: (item: Item) => unknown,
): AsyncGenerator<string> {
  for await (const item of items) yield JSON.stringify(show(item));
}

async function* framed(before: string, items: AsyncIterable<string>, after: string): AsyncGenerator<string> {
  let text = `${before}[`;
  let isFirst = true;
  for await (const item of items) {
    text += isFirst ? item : `,${item}`;
    isFirst = false;
    if (text.length < 65_536) continue;
    yield text;
    text = '';
  }
  yield `${text}]${after}`;
}
