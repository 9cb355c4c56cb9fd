import { expect, test } from 'vitest';
import { onlyResult, outcomeOf, resultOf, withOutcomes } from '../../src/async/outcome.ts';

const failing = () => {
  throw new Error('broken');
};

test('work that fails has an outcome, from which the error is thrown later', async () => {
  const outcomes = [await outcomeOf(async () => 1), await outcomeOf(failing)];
  expect(outcomes).toEqual([{ result: 1 }, { error: new Error('broken') }]);
  expect(outcomes.slice(0, 1).map(resultOf)).toEqual([1]);
  expect(() => outcomes.map(resultOf)).toThrow('broken');
  expect(onlyResult(outcomes)).toBe(1);
});

test('requests are paired with their outcomes; one without is a defect', () => {
  const outcome = { result: 1 };
  expect(withOutcomes(['a'], [outcome])).toEqual([{ request: 'a', outcome }]);
  expect(() => withOutcomes(['a', 'b'], [outcome])).toThrow('a request has no outcome');
});
