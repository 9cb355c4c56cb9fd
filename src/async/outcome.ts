/** The result of one of several things that were done together, or the error that it failed with. */
export type Outcome<Result = unknown> = { result: Result } | { error: unknown };

/** Does work whose failure does not stop the work beside it. */
export async function outcomeOf<Result>(work: () => Result | Promise<Result>): Promise<Outcome<Result>> {
  try {
    return { result: await work() };
  } catch (error) {
    return { error };
  }
}

/** Pairs requests with their outcomes, which are in the same order. */
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

/** The result of a single request. @throws the error that it failed with */
export function onlyResult<Result>([outcome]: readonly Outcome<Result>[]): Result {
  if (outcome === undefined) throw new Error('a request has no outcome');
  return resultOf(outcome);
}

/** @throws the error of an outcome that has one */
export function resultOf<Result>(outcome: Outcome<Result>): Result {
  if ('error' in outcome) throw outcome.error;
  return outcome.result;
}
