import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  type Node,
  type Scalar,
  visit,
  type YAMLMap,
} from 'yaml';
import { maxInt64, minInt64, mismatch, resolve, TypeMismatch, tagPrefix, written } from './go-scalars.ts';

// How gopkg.in/yaml.v2 (2.4, decode.go), with which LXD and Incus read metadata.yaml, turns YAML into typed fields: `5.9` is
// accepted as a whole number, a later key replaces an earlier one, and `<<` merges where it stands. `go-scalars.ts` has the types
// of plain values.

/**
 * The share of decodes that aliases may cause in a document with more than a thousand (`allowedAliasRatio` in
 * decode.go).
 */
const aliasShare = 0.99;
/** The largest number of decodes. The parser bounds documents (`yaml.ts`), so only aliases can reach it. */
const decodeLimit = 400_000;

/** The largest number of values of a document after its aliases are replaced by their targets. */
const expandedLimit = 1_000_000;

/** Reads the values of one document as Go does. */
export class GoYaml {
  readonly #targets = new Map<Alias, Node>();
  #decodes = 0;
  #aliasDepth = 0;
  #aliasDecodes = 0;

  /** @throws TypeMismatch where an alias refers to nothing, or aliases multiply the document by far too much */
  constructor(document: Document) {
    const anchors = new Map<string, Node>();
    visit(document, {
      Node: (_, node) => {
        if (isAlias(node)) {
          const target = anchors.get(node.source);
          if (target === undefined) throw unresolvable(`*${node.source} refers to nothing`);
          this.#targets.set(node, target);
        } else if (node.anchor !== undefined) anchors.set(node.anchor, node);
      },
    });
    if (this.#targets.size > 0 && this.#weigh(document.contents, new Map()) > expandedLimit) {
      throw unresolvable('they expand it by far too much');
    }
  }

  /**
   * Decodes a mapping into the fields that are known, as into a struct of Go: other fields are ignored.
   * @param fields by their names; called again for a repeated field
   * @throws TypeMismatch if it is not a mapping, or a field has the wrong type
   */
  fields(node: unknown, where: string, fields: Record<string, (value: unknown) => void>): void {
    this.#mapping(node, where, (key, value) => {
      if (Object.hasOwn(fields, key)) fields[key]?.(value);
    });
  }

  /**
   * Decodes a mapping of any names into `map`, whose entries stay unless they are named again; an absent value empties
   * it.
   * @param read decodes one value. @param name the name of a key's value in messages
   */
  map<Value>(
    node: unknown,
    where: string,
    map: Map<string, Value>,
    read: (value: unknown, where: string) => Value,
  ): void {
    if (this.isNull(node)) {
      map.clear();
      return;
    }
    this.#mapping(node, where, (key, value) => map.set(key, read(value, `${where}.${key}`)));
  }

  /** Decodes a list; an absent one is empty. @throws TypeMismatch */
  list<Value>(node: unknown, where: string, read: (value: unknown, where: string) => Value): Value[] {
    if (this.isNull(node)) return [];
    return this.#follow(node, (target) => {
      if (!isSeq(target)) throw mismatch(where, describeKind(target), 'a list');
      return target.items.map((item, index) => read(item, `${where}[${index}]`));
    });
  }

  /** Any plain value as it is written; '' when it is absent. @throws TypeMismatch for a list or a mapping */
  text(node: unknown, where: string, expected = 'text'): string {
    return this.#follow(node, (target) => {
      if (target === null) return '';
      if (!isScalar(target)) throw mismatch(where, describeKind(target), expected);
      const resolved = resolve(target, where);
      if (resolved.type === 'null') return '';
      return resolved.type === 'text' ? resolved.value : written(target);
    });
  }

  /** A whole number of 64 bits; 0 when it is absent. Fractions are cut off. @throws TypeMismatch */
  integer(node: unknown, where: string, expected: string): bigint {
    return this.#follow(node, (target) => {
      if (target === null) return 0n;
      if (!isScalar(target)) throw mismatch(where, describeKind(target), expected);
      const resolved = resolve(target, where);
      if (resolved.type === 'null') return 0n;
      if (resolved.type === 'whole number' && resolved.value <= maxInt64) return resolved.value;
      if (resolved.type === 'number' && resolved.value < 2 ** 63) {
        return resolved.value < -(2 ** 63) ? minInt64 : BigInt(Math.trunc(resolved.value));
      }
      throw new TypeMismatch(`${where} ${describeScalar(target, expected)}`);
    });
  }

  /** A boolean, in the words of YAML 1.1; false when it is absent. @throws TypeMismatch */
  boolean(node: unknown, where: string): boolean {
    return this.#follow(node, (target) => {
      if (target === null) return false;
      if (!isScalar(target)) throw mismatch(where, describeKind(target), 'true or false');
      const resolved = resolve(target, where);
      if (resolved.type === 'null') return false;
      if (resolved.type === 'boolean') return resolved.value;
      throw new TypeMismatch(`${where} ${describeScalar(target, 'true or false')}`);
    });
  }

  /** Whether a value is absent: nothing, `~` or `null`. */
  isNull(node: unknown): boolean {
    return this.#follow(node, (target) => {
      if (target === null) return true;
      return isScalar(target) && resolve(target, 'it').type === 'null';
    });
  }

  #mapping(node: unknown, where: string, take: (key: string, value: unknown) => void): void {
    this.#follow(node, (target) => {
      if (!isMap(target)) throw mismatch(where, describeKind(target), 'a mapping');
      this.#pairs(target, where, take);
    });
  }

  #pairs(mapping: YAMLMap, where: string, take: (key: string, value: unknown) => void): void {
    for (const { key, value } of mapping.items) {
      if (isMerge(key)) this.#merge(value, where, take);
      else take(this.#name(key, where), value);
    }
  }

  #name(key: unknown, where: string): string {
    return this.#follow(key, (target) => {
      if (target === null || isScalar(target)) return this.text(target, where);
      throw new TypeMismatch(`${where}: ${describeKind(target)} cannot be a name`);
    });
  }

  /** The mapping, or each of a list of them: of these an earlier one wins. */
  #merge(value: unknown, where: string, take: (key: string, value: unknown) => void): void {
    this.#follow(value, (target) => {
      const sources = isSeq(target) ? [...target.items].reverse() : [target];
      // A list is merged only where it is written, not through an alias.
      if (isSeq(target) && isAlias(value)) throw mismatch(`${where}.<<`, 'an alias of a list', 'a mapping');
      for (const source of sources) {
        this.#follow(source, (mapping) => {
          if (!isMap(mapping)) throw mismatch(`${where}.<<`, describeKind(mapping), 'a mapping');
          this.#pairs(mapping, where, take);
        });
      }
    });
  }

  /** How many values a node has when its aliases are replaced. An alias never contains itself (`yaml.ts`). */
  #weigh(node: unknown, known: Map<unknown, number>): number {
    const knownWeight = known.get(node);
    if (knownWeight !== undefined) return knownWeight;
    let weight = 1;
    if (isAlias(node)) weight = this.#weigh(this.#targets.get(node), known);
    else if (isPair(node)) weight = this.#weigh(node.key, known) + this.#weigh(node.value, known);
    else if (isMap(node) || isSeq(node)) {
      for (const item of node.items) weight += this.#weigh(item, known);
    }
    if (typeof node === 'object' && node !== null) known.set(node, weight);
    return weight;
  }

  /** The node itself, or the target of an alias. */
  #follow<Value>(node: unknown, read: (target: Node | null) => Value): Value {
    this.#decodes += 1;
    if (this.#aliasDepth > 0) this.#aliasDecodes += 1;
    if (
      this.#decodes > decodeLimit ||
      (this.#aliasDecodes > 100 && this.#decodes > 1000 && this.#aliasDecodes / this.#decodes > aliasShare)
    ) {
      throw unresolvable('they expand it by far too much');
    }
    if (!isAlias(node)) return read(isNode(node) ? node : null);
    const target = this.#targets.get(node);
    if (target === undefined) throw unresolvable(`*${node.source} refers to nothing`);
    this.#aliasDepth += 1;
    try {
      return read(target);
    } finally {
      this.#aliasDepth -= 1;
    }
  }
}

function isNode(value: unknown): value is Node {
  return isScalar(value) || isMap(value) || isSeq(value) || isAlias(value);
}

function isMerge(key: unknown): boolean {
  if (!isScalar(key) || key.value !== '<<') return false;
  return key.tag === undefined ? key.type === 'PLAIN' : key.tag === `${tagPrefix}merge`;
}

function describeKind(node: unknown): string {
  if (isMap(node) || isPair(node)) return 'a mapping';
  if (isSeq(node)) return 'a list';
  return isScalar(node) ? 'text' : 'absent';
}

function describeScalar(scalar: Scalar, expected: string): string {
  const quoted = scalar.type === 'PLAIN' ? '' : ', without quotes';
  return `${shorten(written(scalar))}: expected ${expected}${quoted}`;
}

function unresolvable(why: string): TypeMismatch {
  return new TypeMismatch(`its aliases (*name) cannot be resolved: ${why}`);
}

function shorten(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
