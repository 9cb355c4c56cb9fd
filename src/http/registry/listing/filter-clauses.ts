import { HeadwaterError } from '../../../errors.ts';

const operators = ['eq', 'ne', 'gt', 'ge', 'lt', 'le'] as const;
type Operator = (typeof operators)[number];

/** One condition of a filter, as in `not properties.os eq debian`. */
export interface Clause {
  /** How it is combined with the previous conditions. */
  join: 'and' | 'or';
  negated: boolean;
  field: string;
  operator: Operator;
  value: string;
}

const lengthLimit = 1000;

/**
 * Reads `?filter=`, in the grammar of LXD and Incus: `[not] FIELD OPERATOR VALUE`, joined by `and` and `or`, which are
 * applied from left to right. A value with blanks is in double quotes; there are no parentheses.
 * @throws HeadwaterError `invalid`
 */
export function parseClauses(text: string): Clause[] {
  if (text.length > lengthLimit) throw wrong(`it has more than ${lengthLimit} characters`);
  const words = text.split(/\s+/).filter((word) => word !== '');
  const clauses: Clause[] = [];
  let at = 0;
  let join: Clause['join'] = 'and';
  while (at < words.length) {
    const negated = words[at]?.toLowerCase() === 'not';
    if (negated) at += 1;
    const field = words[at++];
    const operator = words[at++];
    if (field === undefined) throw wrong('after "not" a condition is missing');
    if (operator === undefined) throw wrong(`an operator is missing after ${quote(field)}`);
    const known = operators.find((each) => each === operator);
    if (known === undefined) {
      throw wrong(`${quote(operator)} is not one of the operators ${operators.join(', ')}`);
    }
    if (at === words.length) throw wrong(`after "${field} ${operator}" a value is missing`);
    const { value, next } = readValue(words, at);
    clauses.push({ join, negated, field, operator: known, value });
    if (next === words.length) return clauses;
    const joining = words[next] ?? '';
    if (joining !== 'and' && joining !== 'or') {
      throw wrong(`conditions are joined by "and" or "or", not by ${quote(joining)}`);
    }
    join = joining;
    at = next + 1;
    if (at === words.length) throw wrong(`after "${joining}" a condition is missing`);
  }
  return clauses;
}

/** A value of one word, or of several in double quotes, between which one blank counts. */
function readValue(words: string[], at: number): { value: string; next: number } {
  const first = words[at] ?? '';
  if (!first.startsWith('"')) return { value: first, next: at + 1 };
  for (let last = at; last < words.length; last += 1) {
    const isClosed = words[last]?.endsWith('"') === true && (last > at || first.length > 1);
    if (isClosed)
      return {
        value: words
          .slice(at, last + 1)
          .join(' ')
          .slice(1, -1),
        next: last + 1,
      };
  }
  throw wrong(`the quote before ${quote(first.slice(1))} is not closed`);
}

/** The error for a filter that cannot be used. */
export function wrong(reason: string): HeadwaterError {
  return new HeadwaterError(
    'invalid',
    `Invalid filter: ${reason}; expected conditions such as properties.os eq debian and architecture eq x86_64`,
  );
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}
