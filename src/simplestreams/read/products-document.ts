import { HeadwaterError, jsonProblem } from '../../errors.ts';
import type { ProductKey } from '../../model/names.ts';
import { mapping, type Untyped } from './fields.ts';
import { assertEnd, jsonMembers, parse } from './json-members.ts';
import { type KeyOptions, readProductKey } from './product.ts';

/** A products document, of an upstream or of a builder's tree. */
export interface ProductsDocument {
  /** The document's own fields. */
  fields: Untyped;
  /**
   * Its products, parsed one at a time: a document has tens of megabytes, and ten times as much as objects.
   * @param onSkip called for each product that is not understood
   * @throws HeadwaterError `invalid` when one is no JSON: nothing of the document can be used
   */
  products(
    onSkip: (product: { name: string; where: string }, error: HeadwaterError) => void,
  ): Iterable<ListedProduct>;
}

/** A product as a document lists it. */
export interface ListedProduct {
  /** Its name in the document. */
  name: string;
  /** Its name in messages. */
  where: string;
  key: ProductKey;
  fields: Untyped;
  /** In the document's order. */
  versions: ListedVersion[];
}

/** A version as a document lists it, not read yet (`readVersion`). */
export interface ListedVersion {
  name: string;
  where: string;
  value: unknown;
}

/**
 * Reads a products document.
 * @param bytes the document, as JSON
 * @param where what messages call it
 * @throws HeadwaterError `invalid` when it is no JSON object
 */
export function readProducts(bytes: Uint8Array, where: string, options: KeyOptions = {}): ProductsDocument {
  const { fields, place } = asJson(where, () => readFrame(bytes));
  return {
    fields,
    *products(onSkip) {
      if (place === undefined) return;
      const members = jsonMembers(bytes, place);
      for (;;) {
        const step = asJson(where, () => members.next());
        if (step.done) return;
        const { name, start, end } = step.value;
        const value = asJson(where, () => parse(bytes, start, end));
        const at = `${where}: ${shown(name)}`;
        try {
          yield readProduct(name, value, at, options);
        } catch (error) {
          if (!(error instanceof HeadwaterError)) throw error;
          onSkip({ name, where: at }, error);
        }
      }
    },
  };
}

/** The document's own fields, and where its products begin. */
function readFrame(bytes: Uint8Array): { fields: Untyped; place: number | undefined } {
  const fields: Untyped = {};
  let place: number | undefined;
  const members = jsonMembers(bytes);
  for (let step = members.next(); ; step = members.next()) {
    if (step.done) {
      assertEnd(bytes, step.value);
      return { fields, place };
    }
    const { name, start, end } = step.value;
    if (name === 'products') place = start;
    else fields[name] = parse(bytes, start, end);
  }
}

function readProduct(name: string, value: unknown, where: string, options: KeyOptions): ListedProduct {
  const fields = mapping(value, where);
  const key = readProductKey(name, fields, where, options);
  const versions = Object.entries(mapping(fields['versions'], `${where}.versions`));
  return {
    name,
    where,
    key,
    fields,
    versions: versions.map(([version, content]) => ({
      name: version,
      where: `${where} ${shown(version)}`,
      value: content,
    })),
  };
}

function asJson<Result>(where: string, read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new HeadwaterError('invalid', `${where}: not JSON: ${jsonProblem(error)}`, { cause: error });
  }
}

/** A key of a document in a message: quoted when no builder would write it. */
export function shown(key: string): string {
  return /^[\w.:+~-]{1,200}$/.test(key) ? key : JSON.stringify(key.slice(0, 200));
}
