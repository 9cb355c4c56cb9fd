import { afterAll, beforeAll, test } from 'vitest';
import { PreparedImage } from '../../support/child-server.ts';
import { expectCrowd } from './download-crowd.ts';

let prepared: PreparedImage;
beforeAll(async () => {
  prepared = await PreparedImage.make(24_000_000);
});
afterAll(() => prepared.remove());

test('a thousand downloads at once take as little memory as README promises, and two files each', async () => {
  await expectCrowd(prepared, { count: 1000, bound: 300 });
}, 240_000);
