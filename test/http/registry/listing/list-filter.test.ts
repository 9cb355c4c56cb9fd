import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseFilter } from '../../../../src/http/registry/listing/list-filter.ts';
import { imageFields } from '../../../../src/registry/image-view.ts';
import { ended, makeImage, upload } from '../../../support/push-images.ts';
import { RegistryClient } from '../../../support/registry-client.ts';
import { TestServer } from '../../../support/server.ts';

const image = {
  fingerprint: 'abc',
  type: 'container',
  architecture: 'x86_64',
  size: 1234,
  public: true,
  auto_update: false,
  properties: {
    os: 'Debian',
    release: 'bookworm',
    description: 'Debian bookworm amd64',
    'requirements.cgroup': 'v1',
  },
  profiles: ['default'],
};

test.each([
  ['architecture eq x86_64', true],
  ['architecture eq i686', false],
  ['properties.os eq debian', true],
  ['properties.os eq deb', false],
  ['properties.os eq ^deb', true],
  ['properties.os eq deb.*', true],
  ['properties.os eq ian$', true],
  ['properties.os ne debian', false],
  ['not properties.os eq debian', false],
  ['NOT properties.os ne debian', true],
  ['properties.os eq ubuntu,debian', true],
  ['properties.os eq ubuntu,alpine', false],
  ['properties.os eq *', true],
  ['properties.os eq [', false],
  ['properties.none eq x', false],
  ['properties.none ne x', true],
  ['properties.requirements.cgroup eq v1', true],
  ['properties.description eq "debian bookworm amd64"', true],
  ['properties.os eq "debian"', true],
  ['properties.os eq ubuntu or type eq container', true],
  ['properties.os eq debian and type eq virtual-machine', false],
  ['properties.os eq debian or type eq container and architecture eq i686', false],
  ['architecture eq i686 and type eq container or properties.os eq debian', true],
  ['public eq true', true],
  ['public eq 0', false],
  ['auto_update ne true', true],
  ['size eq 1234', true],
  ['size gt 1234', false],
  ['size ge 1234 and size lt 1235 and size le 1234', true],
  ['profiles eq ["default"]', true],
  ['profiles eq []', false],
  ['  type   eq   container  ', true],
])('%s: %s', async (text, expected) => {
  const matches = await parseFilter(text, imageFields);
  expect(matches?.(image)).toBe(expected);
});

test.each([undefined, '', '   '])('a filter of %j wants everything', async (text) => {
  expect(await parseFilter(text, imageFields)).toBeUndefined();
});

test.each([
  ['properties.os', /operator is missing/],
  ['not', /condition is missing/],
  ['properties.os eq', /value is missing/],
  ['properties.os = debian', /"=" is not one of the operators eq, ne/],
  ['properties.os eq "debian', /quote .* is not closed/],
  ['properties.os eq debian AND type eq x', /not by "AND"/],
  ['properties.os eq debian type eq x', /not by "type"/],
  ['properties.os eq debian and', /after "and" a condition is missing/],
  ['(properties.os eq debian)', /no field "\(properties.os"/],
  ['os eq debian', /no field "os", only .*properties\.KEY/],
  ['properties eq x', /no field "properties"/],
  ['type.x eq x', /no field "type.x"/],
  ['constructor eq x', /no field "constructor"/],
  ['size eq many', /size is a whole number/],
  ['public eq maybe', /public is true or false/],
  ['profiles eq default', /profiles is a list/],
  ['type gt container', /only be compared by eq and ne/],
  [`type eq ${'a{50}'.repeat(20)}`, /too large/],
  [`type eq ${'a'.repeat(1000)}`, /more than 1000 characters/],
])('the filter %s is refused', async (text, message) => {
  await expect(parseFilter(text, imageFields)).rejects.toThrow(message);
});

test('any filter is read or refused with a reason', async () => {
  const word = fc.constantFrom(
    'not',
    'and',
    'or',
    'eq',
    'ne',
    'type',
    'properties.os',
    '"',
    '"a',
    'b"',
    '(',
    '[',
    '^a',
    'size',
    '1',
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(word, fc.string({ maxLength: 5 })), { maxLength: 9 }),
      async (words) => {
        try {
          const matches = await parseFilter(words.join(' '), imageFields);
          expect(typeof (matches?.(image) ?? true)).toBe('boolean');
        } catch (error) {
          expect((error as Error).message).toMatch(/^Invalid filter: /);
        }
      },
    ),
  );
});

test('lists of images and aliases are filtered, with and without their entries', async () => {
  const server = await TestServer.start();
  const client = await RegistryClient.joined(server);
  const [jammy, noble] = [await makeImage({ release: 'jammy' }), await makeImage({ release: 'noble' })];
  await ended(client, await upload(client, jammy, { 'x-lxd-aliases': 'alias=j' }));
  await ended(client, await upload(client, noble, { 'x-lxd-aliases': 'alias=n' }));
  const list = async (path: string) => (await client.get(path)).metadata;
  const filter = `filter=${encodeURIComponent('properties.release eq jammy')}`;
  expect(await list(`/1.0/images?${filter}`)).toEqual([`/1.0/images/${jammy.fingerprint}`]);
  expect(await list(`/1.0/images?recursion=1&${filter}`)).toMatchObject([{ fingerprint: jammy.fingerprint }]);
  expect(await list('/1.0/images?filter=')).toHaveLength(2);
  const byTarget = `filter=target+eq+${noble.fingerprint}`;
  expect(await list(`/1.0/images/aliases?${byTarget}`)).toEqual(['/1.0/images/aliases/n']);
  expect(await list(`/1.0/images/aliases?recursion=1&${byTarget}`)).toMatchObject([{ name: 'n' }]);
  for (const path of ['images', 'images/aliases']) {
    expect(await client.get(`/1.0/${path}?filter=os+eq`)).toMatchObject({
      status: 400,
      error: expect.stringContaining('Invalid filter') as unknown,
    });
  }
});
