import { setImmediate as nextTurn } from 'node:timers/promises';
import type { FieldKind } from '../../../registry/image-view.ts';
import { type Clause, parseClauses, wrong } from './filter-clauses.ts';

/** Whether an entry of a list matches. */
export type ListFilter = (entry: object) => boolean;

type Test = (value: unknown) => boolean;

/**
 * Larger expressions, and longer texts, are not matched: anonymous clients may ask, and a response must not take long.
 */
const programLimit = 500;
const textLimit = 4096;
/** How long entries are matched before other requests may run, in milliseconds. */
const turnDuration = 10;

/**
 * Reads `?filter=` of a list.
 * @param fields those of an entry
 * @returns undefined if all entries match
 * @throws HeadwaterError `invalid`
 */
export async function parseFilter(
  text: string | undefined,
  fields: Record<string, FieldKind>,
): Promise<ListFilter | undefined> {
  const clauses = parseClauses(text ?? '');
  if (clauses.length === 0) return undefined;
  const conditions = await Promise.all(
    clauses.map(async (clause) => ({ ...clause, matches: await condition(clause, fields) })),
  );
  return (entry) =>
    conditions.reduce((before, { join, negated, matches }) => {
      if (join === 'and' ? !before : before) return before;
      return matches(entry) !== negated;
    }, true);
}

/** The entries that match a filter; other requests may run in between. */
export async function* filtered<Item>(
  items: AsyncIterable<Item>,
  isWanted: (item: Item) => boolean,
): AsyncGenerator<Item> {
  let since = performance.now();
  for await (const item of items) {
    if (isWanted(item)) yield item;
    if (performance.now() - since < turnDuration) continue;
    await nextTurn();
    since = performance.now();
  }
}

async function condition(clause: Clause, fields: Record<string, FieldKind>): Promise<ListFilter> {
  const { field } = clause;
  const [name = '', key] = /^([^.]*)(?:\.(.+))?$/.exec(field)?.slice(1) ?? [];
  const kind = Object.hasOwn(fields, name) ? fields[name] : undefined;
  if (kind === undefined || (kind === 'map') !== (key !== undefined)) {
    const known = Object.entries(fields).map(([each, what]) => (what === 'map' ? `${each}.KEY` : each));
    throw wrong(`there is no field ${JSON.stringify(field.slice(0, 100))}, only ${known.join(', ')}`);
  }
  const test = kind === 'number' ? compareNumber(clause) : await compareEqual(clause, kind);
  return (entry) => {
    const value = get(entry, name);
    return test(key === undefined ? value : get(value, key));
  };
}

function compareNumber({ field, operator, value }: Clause): Test {
  if (!/^[+-]?\d{1,19}$/.test(value)) throw wrong(`${field} is a whole number, not ${JSON.stringify(value)}`);
  const wanted = Number(value);
  const tests: Record<Clause['operator'], (given: number) => boolean> = {
    eq: (given) => given === wanted,
    ne: (given) => given !== wanted,
    gt: (given) => given > wanted,
    ge: (given) => given >= wanted,
    lt: (given) => given < wanted,
    le: (given) => given <= wanted,
  };
  return (given) => typeof given === 'number' && tests[operator](given);
}

async function compareEqual(clause: Clause, kind: FieldKind): Promise<Test> {
  const { field, operator, value } = clause;
  if (operator !== 'eq' && operator !== 'ne') throw wrong(`${field} can only be compared by eq and ne`);
  const isEqual =
    kind === 'boolean'
      ? equalsBoolean(clause)
      : kind === 'list'
        ? equalsList(clause)
        : await equalsText(value);
  return operator === 'eq' ? isEqual : (given) => !isEqual(given);
}

function equalsBoolean({ field, value }: Clause): Test {
  // The values that Go's strconv.ParseBool accepts.
  const isTrue = /^(1|t|T|TRUE|true|True)$/.test(value);
  if (!isTrue && !/^(0|f|F|FALSE|false|False)$/.test(value)) {
    throw wrong(`${field} is true or false, not ${JSON.stringify(value)}`);
  }
  return (given) => given === isTrue;
}

function equalsList({ field, value }: Clause): Test {
  try {
    const wanted = JSON.stringify(JSON.parse(value));
    return (given) => JSON.stringify(given) === wanted;
  } catch {
    throw wrong(`${field} is a list such as ["default"], not ${JSON.stringify(value)}`);
  }
}

/**
 * The value of a text is an expression in the syntax of Go, in either case, and means the whole text unless it has an
 * anchor; one that cannot be read as an expression means itself. With commas it is a list of texts, too, as Incus reads
 * it.
 */
async function equalsText(value: string): Promise<Test> {
  const { RE2JS, RE2JSException } = await import('re2js');
  const listed = value.includes(',') ? new Set(value.toLowerCase().split(',')) : undefined;
  const isListed = (text: string) => listed?.has(text.toLowerCase()) ?? false;
  const pattern = /[$^]/.test(value) ? value : `^${value}$`;
  try {
    const expression = RE2JS.compile(pattern, RE2JS.CASE_INSENSITIVE);
    if (expression.programSize() > programLimit) throw wrong('the expression is too large');
    return (given) => {
      const text = typeof given === 'string' ? given : '';
      return isListed(text) || (text.length <= textLimit && expression.test(text));
    };
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error;
    const literal = value.toLowerCase();
    return (given) => {
      const text = typeof given === 'string' ? given.toLowerCase() : '';
      return text === literal || isListed(text);
    };
  }
}

function get(entry: unknown, key: string): unknown {
  if (typeof entry !== 'object' || entry === null || !Object.hasOwn(entry, key)) return undefined;
  return Reflect.get(entry, key);
}
