import { expect, test } from 'vitest';
import { randomFrom } from '../mutate.ts';
import { makeBundleCorpus } from './bundle-corpus.ts';
import { bundleKinds } from './bundle-kinds.ts';
import { fuzzBundles } from './fuzz-bundles.ts';
import { mutateJson } from './mutate-json.ts';

test('no mutant of a bundle, a signed document or a receipt passes for what was signed', async () => {
  const result = await fuzzBundles({ count: 3000, seed: 1, log: () => undefined });
  expect(result.findings).toEqual([]);
  for (const name of Object.keys(bundleKinds)) {
    expect(result.kinds[name]?.accepted, name).toBeGreaterThan(0);
    expect(result.kinds[name]?.refused, name).toBeGreaterThan(50);
  }
}, 300_000);

test('a seed always makes the same mutant', async () => {
  const [one, other] = [await makeBundleCorpus(), await makeBundleCorpus()];
  expect(one.small.stream).toEqual(other.small.stream);
  expect(one.receipt.signed).toBe(other.receipt.signed);
  const text = one.small.bytes.toString();
  expect(mutateJson(text, randomFrom(7))).toBe(mutateJson(text, randomFrom(7)));
});
