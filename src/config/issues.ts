import type * as z from 'zod';
import { HeadwaterError } from '../errors.ts';
import { suggest } from '../suggestion.ts';
import { get, isTree, type Tree } from './tree.ts';

/** Settings from one source. */
export interface Layer {
  values: Tree;
  /** Problems of the source itself, independent of the values. */
  problems: string[];
  /** The origin of a value in messages: `headwater.yaml:3`, `HEADWATER_LISTEN_PORT`, `--set listen.port`. */
  origin(path: readonly PropertyKey[]): string;
}

/** The checked settings, and their sources. */
interface Read {
  merged: unknown;
  /** In order of precedence. */
  layers: Layer[];
  /** All keys, for suggestions. */
  keys?: readonly string[];
}

/** One line for each problem. */
export function describeIssue(issue: z.core.$ZodIssue, read: Read, parents: PropertyKey[] = []): string[] {
  const path = [...parents, ...issue.path];
  const value = get(read.merged, path);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const near = suggest([...path, key].join('.'), read.keys ?? []);
      const advice = near === undefined ? '' : `; did you mean ${near}?`;
      return `${place([...path, key], read.layers)}: unknown setting${advice}`;
    });
  }
  if (issue.code === 'invalid_key') {
    return issue.issues.map(({ message }) => `${place(path, read.layers)}: ${message}`);
  }
  // For a union such as `tls`, report the issues of the alternative with the shape of the value.
  const nested = issue.code === 'invalid_union' && isTree(value) ? issue.errors.at(-1) : undefined;
  if (nested !== undefined && nested.length > 0) {
    return nested.flatMap((inner) => describeIssue(inner, read, path));
  }
  const actual = value === undefined ? 'it is missing' : `it is ${JSON.stringify(value)}`;
  return [`${place(path, read.layers)}: ${issue.message}, but ${actual}`];
}

/** The origin of a value and its key: `headwater.yaml:3: listen.port`. */
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
      : `the configuration has ${problems.length} errors:\n${problems.map((problem) => `  ${problem}`).join('\n')}`;
  return new HeadwaterError('invalid', message);
}
