import { kernelName, parseArchitecture } from '../../model/architecture.ts';
import { imageTypeOf } from '../../model/item-types.ts';
import { timeOfSerial } from '../../model/names.ts';
import { compilePatterns } from '../../model/patterns.ts';
import type { ProductWithVersions, Version } from '../../model/versions.ts';

/** A rule: patterns by key, as in the definitions of mirrors. */
export interface ImageRule {
  os?: string[];
  release?: string[];
  architecture?: string[];
  variant?: string[];
  type?: string[];
  label?: string[];
}

/** Whether a site should have a version. */
export type VersionTest = (product: ProductWithVersions, version: Version) => boolean;

/** How many versions of a product a site should have. */
export interface SiteKeep {
  /** The newest ones. */
  versions?: number;
  /** Milliseconds since the time in the serial. */
  age?: number;
}

/** Selects versions with a rule that matches: a rule matches if all its keys do. A version is selected with all its files. */
export function versionsByRules(rules: readonly ImageRule[]): VersionTest {
  const compiled = rules.map((rule) =>
    Object.entries(rule).map(([key, patterns]: [string, string[]]) => ({
      key,
      test: compilePatterns(patterns),
    })),
  );
  return (product, version) =>
    compiled.some((tests) => tests.every(({ key, test }) => test(valuesOf(key, product, version))));
}

/** The values that mirrors compare with the same keys. */
function valuesOf(key: string, product: ProductWithVersions, version: Version): string[] {
  switch (key) {
    case 'os':
      return [product.os, product.osTitle];
    case 'release':
      return [product.release, product.releaseTitle, product.releaseShown ?? product.release];
    case 'architecture':
      return [product.architecture, kernelName(parseArchitecture(product.architecture))];
    case 'variant':
      return [product.variant];
    case 'type':
      return version.items.flatMap(({ type }) => imageTypeOf(type) ?? []);
    case 'label':
      return [version.label];
    default:
      throw new Error(`a rule with an unknown key ${key}`);
  }
}

/** The versions within `keep`, oldest first as they were given. The newest one stays at any age. */
export function versionsToKeep(
  versions: readonly Version[],
  { versions: count, age }: SiteKeep,
  now: Date,
): Version[] {
  const newest = versions.at(-1);
  const young = versions.filter(
    (version) =>
      age === undefined ||
      version === newest ||
      now.getTime() - timeOfSerial(version.serial).getTime() <= age,
  );
  return count === undefined ? young : young.slice(-count);
}
