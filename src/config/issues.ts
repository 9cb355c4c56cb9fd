import type * as z from 'zod';
import { HeadwaterError } from '../errors.ts';
import { suggest } from '../suggestion.ts';
import { get, isTree, type Tree } from './tree.ts';

/** Settings from one place. */
export interface Layer {
  values: Tree;
  /** What is wrong with the place itself, whatever the values. */
  problems: string[];
  /** What a message calls the place of a value: `headwater.yaml:3`, `HEADWATER_LISTEN_PORT`, `--set listen.port`. */
  origin(path: readonly PropertyKey[]): string;
}

/** What was checked, and where it came from. */
interface Read {
  merged: unknown;
  /** The uppermost first. */
  layers: Layer[];
  /** The keys that there are, for mistyped ones. */
  keys?: readonly string[];
}

/** One line for each thing that is wrong. */
export function describeIssue(issue: z.core.$ZodIssue, read: Read, parents: PropertyKey[] = []): string[] {
  const path = [...parents, ...issue.path];
  const value = get(read.merged, path);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const whole = [...path, key].join('.');
      const near = suggest(whole, read.keys ?? []);
      const advice = near === undefined ? '' : `; did you mean ${near}?`;
      return `${place([...path, key], read.layers)}: there is no such setting${advice}`;
    });
  }
  if (issue.code === 'invalid_key') {
    return issue.issues.map(({ message }) => `${place(path, read.layers)}: ${message}`);
  }
  // Of the ways to write `tls`, the one that was tried is the one with the same shape.
  const nested = issue.code === 'invalid_union' && isTree(value) ? issue.errors.at(-1) : undefined;
  if (nested !== undefined && nested.length > 0) {
    return nested.flatMap((inner) => describeIssue(inner, read, path));
  }
  const found = value === undefined ? 'it is missing' : `it is ${JSON.stringify(value)}`;
  return [`${place(path, read.layers)}: ${issue.message}, but ${found}`];
}

/** Where a value comes from and its key: `headwater.yaml:3: listen.port`. */
function place(path: PropertyKey[], layers: Layer[]): string {
  const parent = path.slice(0, -1);
  const layer =
    layers.find(({ values }) => get(values, path) !== undefined) ??
    layers.find(({ values }) => parent.length > 0 && get(values, parent) !== undefined);
  const key = path.join('.');
  const origin = layer?.origin(path);
  return origin === undefined || origin.endsWith(` ${key}`) ? (origin ?? key) : `${origin}: ${key}`;
}

/** A HeadwaterError that lists all problems at once, one a line. */
export function invalid(problems: string[]): HeadwaterError {
  const [only] = problems;
  const message =
    problems.length === 1 && only !== undefined
      ? only
      : `the configuration has ${problems.length} mistakes:\n${problems.map((problem) => `  ${problem}`).join('\n')}`;
  return new HeadwaterError('invalid', message);
}
