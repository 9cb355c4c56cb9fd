import { HeadwaterError } from '../../errors.ts';
import { kernelName, parseArchitecture } from '../../model/architecture.ts';
import { compilePatterns } from '../../model/patterns.ts';
import { isMapping, type Untyped } from '../../simplestreams/read/fields.ts';
import type { OfferedRoot, OfferedVersion } from '../../simplestreams/read/offered.ts';
import type { Surroundings, VersionFilter } from '../../simplestreams/read/offered-document.ts';
import { plainPath } from '../../simplestreams/read/path.ts';

/** A rule of a definition: the patterns of each key that it names. */
export interface SelectRule {
  os?: string[];
  release?: string[];
  architecture?: string[];
  variant?: string[];
  type?: string[];
  ftype?: string[];
  label?: string[];
  /** Any field of the documents, by its name. */
  fields?: Record<string, string[]>;
}

/** The values that a key of a rule is compared with. */
type Values = (key: string) => string[];

interface CompiledRule {
  matches(values: Values): boolean;
  /** Fields of the documents that it names, besides the known keys. */
  fields: string[];
}

/**
 * Selects images of an upstream: those that any rule matches. A rule matches if all its keys do. A key matches if one of its
 * patterns without `!` does, if it has any, and none of those with `!`. Case is ignored.
 */
export class Selection {
  readonly #rules: CompiledRule[];
  readonly #matched: boolean[];
  readonly #fieldsSeen = new Set<string>();

  constructor(rules: SelectRule[]) {
    this.#rules = rules.map(compile);
    this.#matched = rules.map(() => false);
  }

  /** @returns the version with the roots that are selected, or undefined when none is */
  readonly apply: VersionFilter = (around, versionFields, version) => {
    const items = itemsByPath(versionFields);
    const roots = version.roots.filter((root) => {
      const values = this.#valuesOf(around, versionFields, version, root, items.get(root.path) ?? {});
      let selected = false;
      // All rules are evaluated, to find rules that match nothing.
      for (const [index, rule] of this.#rules.entries()) {
        if (!rule.matches(values)) continue;
        this.#matched[index] = true;
        selected = true;
      }
      return selected;
    });
    if (roots.length === 0) return undefined;
    const disks = roots.filter(({ type, unified }) => type === 'virtual-machine' && !unified);
    const superfluous = new Set(disks.slice(1));
    const deltas = roots.some(({ ftype }) => ftype === 'squashfs') ? version.deltas : [];
    // A virtual machine needs one disk: the first, which clients prefer.
    return { ...version, roots: roots.filter((root) => !superfluous.has(root)), deltas };
  };

  /** The numbers, from 1, of rules that matched nothing. */
  unmatched(): number[] {
    return this.#matched.flatMap((matched, index) => (matched ? [] : [index + 1]));
  }

  /**
   * To be called after all documents were read.
   * @throws HeadwaterError `invalid` when a rule names a field that nothing in the documents has
   */
  assertFieldsExist(file: string): void {
    for (const [index, { fields }] of this.#rules.entries()) {
      const unknown = fields.find((field) => !this.#fieldsSeen.has(field));
      if (unknown === undefined) continue;
      throw new HeadwaterError(
        'invalid',
        `${file}: select.${index}.fields.${unknown}: nothing in the upstream's documents has this field`,
      );
    }
  }

  #valuesOf(
    { top, product, key }: Surroundings,
    versionFields: Untyped,
    version: OfferedVersion,
    root: OfferedRoot,
    item: Untyped,
  ): Values {
    return (name) => {
      switch (name) {
        case 'os':
          return unique([key.os, plain(product['os'])]);
        case 'release':
          return unique([key.release, plain(product['release']), plain(product['version'])]);
        case 'architecture':
          return [key.architecture, kernelName(parseArchitecture(key.architecture))];
        case 'variant':
          return [key.variant];
        case 'type':
          return [root.type];
        case 'ftype':
          return [root.ftype];
        case 'label':
          return [version.label ?? plain(product['label']) ?? ''];
        default: {
          const field = name.slice('fields.'.length);
          const holder = [item, versionFields, product, top].find((fields) => Object.hasOwn(fields, field));
          if (holder !== undefined) this.#fieldsSeen.add(field);
          const value = plain(holder?.[field]) ?? '';
          return unique([value, ...value.split(',').map((part) => part.trim())]);
        }
      }
    };
  }
}

function compile(rule: SelectRule): CompiledRule {
  const { fields = {}, ...known } = rule;
  const named = [
    ...Object.entries(known),
    ...Object.entries(fields).map(([field, patterns]) => [`fields.${field}`, patterns] as const),
  ];
  const tests = named.map(([key, patterns]) => ({ key, test: compilePatterns(patterns) }));
  return {
    fields: Object.keys(fields),
    // All keys are evaluated, to find out which fields exist.
    matches: (values) => tests.map(({ key, test }) => test(values(key))).every(Boolean),
  };
}

function itemsByPath(versionFields: Untyped): Map<string, Untyped> {
  const items = new Map<string, Untyped>();
  const listed = versionFields['items'];
  for (const fields of isMapping(listed) ? Object.values(listed) : []) {
    if (isMapping(fields) && typeof fields['path'] === 'string') items.set(plainPath(fields['path']), fields);
  }
  return items;
}

function plain(value: unknown): string | undefined {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : undefined;
}

function unique(values: (string | undefined)[]): string[] {
  return [...new Set(values.filter((value) => value !== undefined))];
}
