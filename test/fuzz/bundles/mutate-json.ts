import { pick } from '../mutate.ts';

/** Values that readers of JSON trip over. */
const values: unknown[] = [
  ...[0, 1, -1, -0, 1.5, 2 ** 31, 2 ** 32, 2 ** 53 - 1, 2 ** 53, 2 ** 63, 1e308, null, true, false],
  ...['', ' ', '0', '../../etc/passwd', '/', 'a'.repeat(101), 'a'.repeat(5000), '\0', '\u202e', 'ü', 'NaN'],
  ...[`sha256:${'0'.repeat(64)}`, '0'.repeat(64), 'sha256:', 'constructor', '__proto__', '20260101_0000'],
  ...['2026-02-30T00:00:00Z', '9999-12-31T23:59:59Z', '0000-01-01T00:00:00Z', 'headwater-bundle:2'],
  ...[[], {}, [[]], [null], ['deltas'], { length: 5 }, { toString: 1 }],
];

interface Place {
  parent: unknown[] | Record<string, unknown>;
  key: string | number;
}

/** A text of JSON with one to four changes of its structure. The result is still JSON. */
export function mutateJson(text: string, random: () => number): string {
  const below = (limit: number) => Math.floor(random() * limit);
  const top = { value: JSON.parse(text) as unknown };
  for (let left = 1 + below(1 + below(4)); left > 0; left -= 1) {
    const places = placesOf(top);
    const { parent, key } = pick(places, random);
    const other = pick(places, random);
    switch (below(8)) {
      case 0:
      case 1:
        set(parent, key, pick(values, random));
        break;
      case 2:
        set(parent, key, get(other));
        break;
      case 3:
        if (Array.isArray(parent)) parent.splice(Number(key), 1);
        else if (parent !== top) delete parent[key];
        break;
      case 4:
        if (Array.isArray(parent)) parent.splice(Number(key), 0, structuredClone(get(other)));
        else set(parent, pick(['extra', '__proto__', 'constructor', 'volume', 'pieces'], random), get(other));
        break;
      case 5: {
        const value = get({ parent, key });
        if (typeof value === 'number') set(parent, key, value + pick([-1, 1, 512, -512, 2 ** 20], random));
        else if (typeof value === 'string') set(parent, key, value.slice(0, below(value.length + 1)));
        break;
      }
      case 6: {
        let nested: unknown = get({ parent, key });
        for (let depth = 2 ** below(11); depth > 0; depth -= 1)
          nested = below(2) === 0 ? [nested] : { a: nested };
        set(parent, key, nested);
        break;
      }
      default: {
        const value = get({ parent, key });
        if (Array.isArray(value))
          set(
            parent,
            key,
            Array.from({ length: below(300) }, () => pick(value.concat(0), random)),
          );
        else set(parent, key, [value]);
      }
    }
  }
  return `${JSON.stringify(top.value, null, below(2))}\n`;
}

function placesOf(top: Record<string, unknown>): Place[] {
  const places: Place[] = [];
  const waiting: unknown[] = [top];
  while (waiting.length > 0 && places.length < 2000) {
    const parent = waiting.pop();
    if (Array.isArray(parent)) {
      for (const [key, value] of parent.entries()) {
        places.push({ parent, key });
        waiting.push(value);
      }
    } else if (isRecord(parent)) {
      for (const [key, value] of Object.entries(parent)) {
        places.push({ parent, key });
        waiting.push(value);
      }
    }
  }
  return places;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function get({ parent, key }: Place): unknown {
  return Array.isArray(parent) ? parent[Number(key)] : parent[key];
}

/** Sets a copy, so that nothing contains itself: also under a key such as `__proto__`, as a reader of JSON makes it. */
function set(parent: Place['parent'], key: string | number, value: unknown): void {
  const copy = { value: structuredClone(value), configurable: true, enumerable: true, writable: true };
  Object.defineProperty(parent, key, copy);
}
