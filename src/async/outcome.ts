/** What became of one of several that were done together. */
export type Outcome<Result = unknown> = { result: Result } | { error: unknown };

/** Does something that may fail, among others that go on all the same. */
export async function outcomeOf<Result>(work: () => Result | Promise<Result>): Promise<Outcome<Result>> {
  try {
    return { result: await work() };
  } catch (error) {
    return { error };
  }
}

/** Each of some requests with its outcome. */
export function withOutcomes<Request, Result>(
  requests: readonly Request[],
  outcomes: readonly Outcome<Result>[],
): { request: Request; outcome: Outcome<Result> }[] {
  return requests.map((request, index) => {
    const outcome = outcomes[index];
    if (outcome === undefined) throw new Error('a request has no outcome');
    return { request, outcome };
  });
}

/** What the only one of some requests came to. @throws what it failed with */
export function onlyResult<Result>([outcome]: readonly Outcome<Result>[]): Result {
  if (outcome === undefined) throw new Error('a request has no outcome');
  return resultOf(outcome);
}

/** @throws what it failed with */
export function resultOf<Result>(outcome: Outcome<Result>): Result {
  if ('error' in outcome) throw outcome.error;
  return outcome.result;
}
