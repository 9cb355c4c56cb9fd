import { HeadwaterError, messageOf } from '../../errors.ts';
import { parseArchitecture } from '../../model/architecture.ts';
import { defined } from '../../model/defined.ts';
import { type ProductKey, parseAlias } from '../../model/names.ts';
import { assertRequirement, assertText } from '../checked-request.ts';
import { type FilteredRequirements, type ImageYaml, imageYamlName } from './image-yaml.ts';

/** The details of one product in a build definition. */
export interface ImageYamlFacts {
  osTitle?: string;
  aliases: string[];
  requirements: Record<string, string>;
  warnings: string[];
}

/**
 * Applies the `simplestream` block of a build definition to a product, as simplestream-maintainer does: a release's
 * aliases stand for it in the product's own aliases; requirements apply where every filter matches, later ones over
 * earlier ones.
 * @param known the known fields of the product; missing ones come from the definition's `image` block, which may lack
 * it too, because builders are given it on the command line
 * @throws HeadwaterError `invalid` for a malformed alias, requirement or name; the message starts with `image.yaml`
 */
export function imageYamlFacts(image: ImageYaml, known: Partial<ProductKey>): ImageYamlFacts {
  const product = { ...image.product, ...known };
  const warnings = [...image.warnings];
  const requirements = new Map<string, string>();
  for (const entry of image.requirements) {
    if (!applies(entry, product, warnings)) continue;
    for (const [key, value] of entry.requirements) {
      assertRequirement(`${entry.where}.requirements.${key}`, key, value);
      requirements.set(key, value);
    }
  }
  if (image.distroName !== undefined) {
    assertText(`${imageYamlName}: simplestream.distro_name`, image.distroName);
  }
  return {
    ...defined({ osTitle: image.distroName }),
    aliases: image.announced ? aliasesOf(image, product, warnings) : [],
    requirements: Object.fromEntries(requirements),
    warnings,
  };
}

function applies(entry: FilteredRequirements, product: Partial<ProductKey>, warnings: string[]): boolean {
  const filters: [field: keyof ProductKey, key: string, wanted: string[]][] = [
    ['release', 'releases', entry.releases],
    ['architecture', 'architectures', entry.architectures],
    ['variant', 'variants', entry.variants],
  ];
  const facts = { variant: 'default', ...product };
  for (const [field, key, wanted] of filters) {
    if (wanted.length === 0) continue;
    const value = facts[field];
    if (value === undefined) {
      warnings.push(`${entry.where}.${key}: left out, because the ${field} is not known here: give it`);
      return false;
    }
    if (!wanted.some((name) => normal(field, name) === normal(field, value))) return false;
  }
  if (entry.types.length === 0) return true;
  // Requirements belong to a product, whose versions may contain both types.
  warnings.push(`${entry.where}.types: left out, because requirements are not told apart by type`);
  return false;
}

function normal(field: keyof ProductKey, name: string): string {
  if (field !== 'architecture') return name.toLowerCase();
  try {
    return parseArchitecture(name);
  } catch {
    // A definition may filter for architectures that Headwater does not know: they match by name alone.
    return name.toLowerCase();
  }
}

function aliasesOf(image: ImageYaml, product: Partial<ProductKey>, warnings: string[]): string[] {
  const { os, release, variant = 'default' } = product;
  if (os === undefined || release === undefined) {
    if (image.releaseAliases.size > 0) {
      warnings.push(
        `${imageYamlName}: simplestream.release_aliases: left out, because os and release are not known here: give them`,
      );
    }
    return [];
  }
  const family = { os: os.toLowerCase(), variant: variant.toLowerCase() };
  const own = release.toLowerCase();
  const aliases = new Set(aliasesFor(own, family));
  for (const [name, others] of image.releaseAliases) {
    if (name.toLowerCase() !== own) continue;
    for (const other of others) {
      const where = `${imageYamlName}: simplestream.release_aliases.${name}`;
      for (const alias of aliasesFor(other, family)) aliases.add(checked(alias, where));
    }
  }
  // Every product has these two aliases of its own release in any case.
  aliases.delete(`${family.os}/${own}/${family.variant}`);
  if (family.variant === 'default') aliases.delete(`${family.os}/${own}`);
  return [...aliases];
}

/**
 * The aliases of a product under one name of its release. The variant `default` may be omitted, and so may the release
 * `current` of distributions without releases (simplestream-maintainer's rule).
 */
function aliasesFor(release: string, { os, variant }: { os: string; variant: string }): string[] {
  const aliases = [`${os}/${release}/${variant}`];
  if (release === 'current') aliases.push(`${os}/${variant}`);
  if (variant === 'default') aliases.push(release === 'current' ? os : `${os}/${release}`);
  return aliases;
}

function checked(alias: string, where: string): string {
  try {
    return parseAlias(alias);
  } catch (error) {
    throw new HeadwaterError('invalid', `${where}: ${messageOf(error)}`, { cause: error });
  }
}
