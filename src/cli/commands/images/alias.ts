import type { Command } from 'commander';
import type { FamilyReference } from '../../../catalog/products/aliases.ts';
import { HeadwaterError } from '../../../errors.ts';
import { ambiguous } from '../../../model/ambiguous.ts';
import { parseAlias, parseNamePart, parseStream } from '../../../model/names.ts';
import type { Backend } from '../../backend/backend.ts';
import { withBackend } from '../../backend/open-backend.ts';
import { wantsJson } from '../../global-options.ts';
import { addExamples } from '../../help.ts';
import type { Output } from '../../view/output.ts';
import { table } from '../../view/table.ts';

export function addAliasCommand(program: Command, output: Output): void {
  const alias = program
    .command('alias')
    .description('Set, unset and list aliases.')
    .summary('set, unset and list aliases');

  const set = alias
    .command('set')
    .summary('point an alias to a product')
    .description(
      'Point an alias to a product; an existing alias moves. It points to the newest version of every architecture, and clients take their own. An alias belongs to the stream of its product.',
    )
    .argument('<name>', 'the alias')
    .argument(
      '<product>',
      'os:release:variant, os:release:architecture:variant or another alias, with STREAM/ in front if several streams have it',
    )
    .action(async (name: string, product: string) => {
      const family = await withBackend(set, { create: false }, async (backend) => {
        const target = await findFamily(backend, product);
        await backend.setAlias(parseAlias(name), target);
        return target;
      });
      if (wantsJson(set)) output.json({ alias: name, ...family });
      else output.line(`${name} points to ${describe(family)}`);
    });
  addExamples(set, [
    'headwater alias set debian/stable debian:bookworm:default',
    'headwater alias set web team/web/v2',
    'headwater alias set debian/stable stable/debian:bookworm:default',
  ]);

  const unset = alias
    .command('unset')
    .summary('remove an alias')
    .description('Remove an alias. Its products stay.')
    .argument('<name>', 'the alias, with STREAM/ in front if several streams have it')
    .action(async (name: string) => {
      await withBackend(unset, { create: false }, async (backend) => {
        const alias = await findAlias(backend, name);
        await backend.unsetAlias(alias.name, alias.stream);
      });
      if (wantsJson(unset)) output.json({ alias: name, removed: true });
      else output.line(`${name} removed`);
    });
  addExamples(unset, ['headwater alias unset debian/stable']);

  const list = alias
    .command('list')
    .summary('list aliases')
    .description('List aliases with their streams and products.')
    .action(async () => {
      const aliases = await withBackend(list, { create: false }, async (backend) => await backend.aliases());
      if (wantsJson(list)) output.json(aliases);
      else if (aliases.length === 0) output.note('No aliases yet.');
      else {
        output.line(
          table(
            [
              { title: 'ALIAS', value: ({ name }) => name },
              { title: 'STREAM', value: ({ stream }) => stream },
              { title: 'PRODUCT', value: describe },
              {
                title: 'ARCHITECTURES',
                value: ({ products }) => products.map((product) => product.split(':')[2]).join(', '),
              },
            ],
            aliases,
          ),
        );
      }
    });
  addExamples(list, ['headwater alias list', 'headwater alias list --json']);
}

/** The alias that a name means: of every stream, or of the one in front of it. The catalog refuses one of several. */
async function findAlias(backend: Backend, text: string): Promise<{ name: string; stream?: string }> {
  const [, stream, name] = /^([^/]+)\/(.+)$/.exec(text) ?? [];
  if (stream === undefined || name === undefined) return { name: text };
  const aliases = await backend.aliases();
  const isQualified =
    aliases.some((alias) => alias.stream === stream && alias.name === name) &&
    aliases.every((alias) => alias.name !== text);
  return isQualified ? { name, stream } : { name: text };
}

async function findFamily(backend: Backend, text: string): Promise<FamilyReference> {
  const byAlias = await familyOfAlias(backend, text);
  if (byAlias !== undefined) return byAlias;
  const [, stream, name] = /^([^/]+)\/(.+)$/.exec(text) ?? [];
  if (stream === undefined || name === undefined) return parseFamily(text);
  const ofStream = await familyOfAlias(backend, name, parseStream(stream));
  return ofStream ?? { ...parseFamily(name), stream: parseStream(stream) };
}

async function familyOfAlias(
  backend: Backend,
  alias: string,
  stream?: string,
): Promise<FamilyReference | undefined> {
  const products = (await backend.productsByAlias(alias)).filter(
    (product) => stream === undefined || product.stream === stream,
  );
  const [first] = products;
  if (first === undefined) return undefined;
  if (products.some((product) => product.stream !== first.stream)) throw ambiguous('alias', alias, products);
  return { stream: first.stream, os: first.os, release: first.release, variant: first.variant };
}

/** @throws HeadwaterError `not-found` */
function parseFamily(text: string): FamilyReference {
  const segments = text.split(':');
  const [os, release, variant] = segments.length === 4 ? [segments[0], segments[1], segments[3]] : segments;
  if (
    segments.length < 3 ||
    segments.length > 4 ||
    os === undefined ||
    release === undefined ||
    variant === undefined
  ) {
    throw new HeadwaterError(
      'not-found',
      `no alias or product ${JSON.stringify(text)}: expected os:release:variant, such as debian:bookworm:default`,
    );
  }
  return {
    os: parseNamePart('os', os),
    release: parseNamePart('release', release),
    variant: parseNamePart('variant', variant),
  };
}

function describe({ os, release, variant }: FamilyReference): string {
  return `${os}:${release}:*:${variant}`;
}
