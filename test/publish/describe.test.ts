import { expect, test } from 'vitest';
import type { ImageMetadata, RootfsFacts } from '../../src/image/content.ts';
import { productName } from '../../src/model/names.ts';
import { nameBareRoot } from '../../src/publish/bare-root.ts';
import { checkRequest } from '../../src/publish/checked-request.ts';
import { describe as describeVersion } from '../../src/publish/describe.ts';
import type { PublishRequest } from '../../src/publish/request.ts';

const metadata = (properties: Record<string, string> = {}): ImageMetadata => ({
  architecture: 'amd64',
  creationDate: Date.UTC(2026, 0, 31, 5, 24, 59) / 1000,
  properties: { os: 'Debian', release: 'bookworm', ...properties },
  source: '',
});

function description(said: Partial<PublishRequest> = {}, properties: Record<string, string> = {}) {
  const request = { files: [], ...said };
  return describeVersion(request, checkRequest(request), metadata(properties));
}

test('what is not said comes from metadata.yaml', () => {
  expect(description()).toEqual({
    product: { os: 'debian', release: 'bookworm', architecture: 'amd64', variant: 'default' },
    serial: '20260131_0524',
    stream: 'images',
    label: 'release',
    details: { osTitle: 'Debian', releaseTitle: 'bookworm', requirements: {} },
    aliases: [
      { name: 'debian/bookworm', ifTaken: 'withhold' },
      { name: 'debian/bookworm/default', ifTaken: 'withhold' },
    ],
    serialIsDerived: true,
    warnings: [],
  });
});

test('a serial in the properties is used, else the creation date', () => {
  expect(description({}, { serial: '20260201_10:11' }).serial).toBe('20260201_1011');
  expect(description({}, { serial: ' ' }).serial).toBe('20260131_0524');
  expect(description({ serial: '20260301' }, { serial: '20260201_10:11' }).serial).toBe('20260301_0000');
});

test('a serial in the properties that is none is refused, unless another is given', () => {
  expect(() => description({}, { serial: 'yesterday' })).toThrow(
    'metadata.yaml: property serial "yesterday": expected a date and time as YYYYMMDD_HHMM, in UTC: correct it, or give serial',
  );
  expect(description({ serial: '20260301' }, { serial: 'yesterday' }).serial).toBe('20260301_0000');
});

test('another variant has only its own alias', () => {
  expect(description({}, { variant: 'cloud' }).aliases).toEqual([
    { name: 'debian/bookworm/cloud', ifTaken: 'withhold' },
  ]);
});

test('a publish is refused, and a mirrored version left without, when an alias that it names is taken', () => {
  const request = { files: [], aliases: ['stable', 'debian/bookworm'] };
  const claims = (fromUpstream: boolean) =>
    describeVersion(request, checkRequest(request), metadata(), { fromUpstream }).aliases;
  expect(claims(false)).toEqual([
    { name: 'debian/bookworm', ifTaken: 'refuse' },
    { name: 'debian/bookworm/default', ifTaken: 'withhold' },
    { name: 'stable', ifTaken: 'refuse' },
  ]);
  expect(new Set(claims(true).map(({ ifTaken }) => ifTaken))).toEqual(new Set(['withhold']));
});

test.each<[Partial<PublishRequest>, Record<string, string>, string, string]>([
  [
    { os: 'ubuntu' },
    {},
    'ubuntu:bookworm:amd64:default',
    'os ubuntu is used, although metadata.yaml says Debian',
  ],
  [
    { os: 'pop-os' },
    { os: 'Pop!_OS' },
    'pop-os:bookworm:amd64:default',
    'although metadata.yaml says Pop!_OS',
  ],
  [
    { release: 'trixie' },
    {},
    'debian:trixie:amd64:default',
    'release trixie is used, although metadata.yaml says',
  ],
  [{ release: 'jammy' }, { release: 'jammy 22.04' }, 'debian:jammy:amd64:default', 'says jammy 22.04'],
  [{ variant: 'cloud' }, { variant: 'a b/c' }, 'debian:bookworm:amd64:cloud', 'variant cloud is used'],
])('%j wins over the properties %j, with a warning', (said, properties, product, warning) => {
  const described = description(said, properties);
  expect(productName(described.product)).toBe(product);
  expect(described.warnings).toEqual([expect.stringContaining(warning)]);
});

test('titles are those of metadata.yaml, unless a name is corrected', () => {
  const titles = (said: Partial<PublishRequest>, properties: Record<string, string>) => {
    const { osTitle, releaseTitle } = description(said, properties).details;
    return [osTitle, releaseTitle];
  };
  expect(titles({ os: 'pop-os', release: 'jammy' }, { os: 'Pop!_OS', release: '22.04 LTS' })).toEqual([
    'Pop!_OS',
    'jammy',
  ]);
  expect(titles({ release: 'plover' }, { release: '30.05 (Plover)' })).toEqual(['Debian', '30.05 (Plover)']);
  expect(titles({ os: 'ubuntu', release: 'noble' }, {})).toEqual(['ubuntu', 'noble']);
});

test('an architecture that metadata.yaml contradicts is refused', () => {
  expect(() => description({ architecture: 'arm64' })).toThrow(
    'architecture was given as arm64, but metadata.yaml says amd64',
  );
});

test.each([0, 1, -1, 315532800, 1199145599, 253402300800, 2 ** 60])(
  'the creation date %d says nothing: the present minute is the serial',
  (creationDate) => {
    const described = describeVersion(
      { files: [] },
      checkRequest({ files: [] }),
      { ...metadata({}), creationDate },
      {
        now: new Date('2026-11-29T17:00:59Z'),
      },
    );
    expect(described).toMatchObject({ serial: '20261129_1700', serialIsDerived: true });
    expect(described.warnings).toEqual([
      expect.stringContaining(`creation_date ${creationDate} is not the time`),
    ]);
  },
);

test('a serial of such a time says nothing either, unless it was given', () => {
  const now = new Date('2026-11-29T17:00:59Z');
  const said = { files: [], serial: '19700101' };
  const properties = metadata({ serial: '19700101_00:00' });
  expect(describeVersion({ files: [] }, checkRequest({ files: [] }), properties, { now })).toMatchObject({
    serial: '20261129_1700',
    serialIsDerived: true,
  });
  expect(describeVersion(said, checkRequest(said), properties, { now })).toMatchObject({
    serial: '19700101_0000',
    serialIsDerived: false,
    warnings: [],
  });
});

test('names that differ only in writing agree', () => {
  expect(description({ os: 'DEBIAN', architecture: 'x86_64' }).product.os).toBe('debian');
  expect(description({}, { os: 'Rocky Linux' }).product.os).toBe('rocky-linux');
});

test.each([
  [{ os: '../x' }, /^os /],
  [{ variant: 'a,b' }, /^variant /],
  [{ architecture: 'vax' }, /^architecture "vax" is not known/],
  [{ serial: 'yesterday' }, /^serial /],
  [{ stream: 'index' }, /^stream /],
  [{ eol: '2026-02-30' }, /^eol /],
  [{ title: 'a\nb' }, /^title/],
  [{ label: 'x'.repeat(201) }, /^label/],
  [{ aliases: ['a,b'] }, /^alias /],
  [{ requirements: { 'a b': 'c' } }, /^requirement /],
])('%j is refused', (said, message) => {
  expect(() => checkRequest({ files: [], ...said })).toThrow(message);
});

test.each([
  [{ os: 'Pop!_OS' }, /metadata\.yaml: property "os" "Pop!_OS": use letters.*: give another with os$/],
  [{ os: 'a/b' }, 'metadata.yaml: property "os" "a/b"'],
  [{ release: 'a:b' }, 'metadata.yaml: property "release" "a:b"'],
  [{ architecture: 'arm64' }, 'metadata.yaml: property "architecture" is arm64'],
  [{ architecture: 'vax' }, 'metadata.yaml: property "architecture": architecture "vax" is not known'],
])('the properties %j are refused', (properties, message) => {
  expect(() => description({}, properties)).toThrow(message);
});

test('errors are about fields, which their messages name', () => {
  const thrown = (work: () => unknown) => {
    try {
      return work();
    } catch (error) {
      return error;
    }
  };
  const refused = (said: Partial<PublishRequest>, properties = {}) =>
    thrown(() => description(said, properties));
  expect(refused({ architecture: 'arm64' })).toMatchObject({
    message:
      'architecture was given as arm64, but metadata.yaml says amd64: leave architecture out, or correct metadata.yaml',
    fields: ['architecture'],
  });
  expect(refused({}, { os: '' })).toMatchObject({
    message: 'metadata.yaml has no property "os": give it with os',
    fields: ['os'],
  });
  expect(refused({}, { release: 'a:b' })).toMatchObject({ fields: ['release'] });
  expect(refused({}, { serial: 'v7' })).toMatchObject({ fields: ['serial'] });
  expect(refused({ aliases: ['a,b'] })).toMatchObject({
    message: expect.stringMatching(/^alias "a,b": use/),
    fields: ['aliases'],
  });
  expect(thrown(() => bareRoot({ os: 'debian' }, {}))).toMatchObject({
    message: expect.stringMatching(/: give release and architecture$/),
    fields: ['release', 'architecture'],
  });
  expect(thrown(() => bareRoot({ architecture: 'arm64' }))).toMatchObject({ fields: ['architecture'] });
  expect(thrown(() => bareRoot({}, { ...bookworm, os: 'a/b' }))).toMatchObject({ fields: ['os'] });
});

const bookworm = {
  os: 'debian',
  release: 'bookworm',
  version: '12',
  title: 'Debian GNU/Linux 12 (bookworm)',
  architecture: 'amd64',
} as const;

function bareRoot(said: Partial<PublishRequest>, facts: RootfsFacts = bookworm) {
  return nameBareRoot('root.tar', checkRequest({ files: [], ...said }), facts);
}

test('a bare root says what it is, and flags say the rest', () => {
  expect(bareRoot({ variant: 'mine' })).toMatchObject({
    os: 'debian',
    release: 'bookworm',
    architecture: 'amd64',
    variant: 'mine',
  });
  const own = bareRoot({ os: 'acme', release: '1' }, { architecture: 'amd64' });
  expect(own).toMatchObject({ os: 'acme', release: '1', architecture: 'amd64' });
  expect(() => bareRoot({}, { os: 'debian' })).toThrow(
    'root.tar: has no metadata, and its files do not tell everything: give release and architecture',
  );
});

const rocky = { os: 'rocky', release: '9.4', version: '9.4', title: 'Rocky Linux 9.4 (Blue Onyx)' };
const sid = { os: 'debian', release: 'trixie', title: 'Debian GNU/Linux trixie/sid' };
const arch = { os: 'arch', release: 'current', title: 'Arch Linux' };

test.each<[Partial<PublishRequest>, RootfsFacts]>([
  [{ os: 'Debian', release: 'Bookworm' }, bookworm],
  [{ release: '12' }, bookworm],
  [{ os: 'rockylinux', release: '9' }, rocky],
  [{ os: 'rocky', release: '9.4' }, rocky],
  [{ release: 'sid' }, sid],
  [{ os: 'archlinux', release: 'rolling' }, arch],
])('%j agrees with what os-release says, and is taken', (said, facts) => {
  const { os = facts.os, release = facts.release } = said;
  expect(bareRoot(said, { architecture: 'amd64', ...facts })).toMatchObject({
    os: os?.toLowerCase(),
    release: release?.toLowerCase(),
  });
});

test.each<[Partial<PublishRequest>, RootfsFacts, string]>([
  [{ os: 'ubuntu' }, bookworm, 'os ubuntu is used, although its os-release says ID=debian'],
  [
    { release: 'trixie' },
    bookworm,
    'release trixie is used, although its os-release says bookworm (VERSION_ID=12)',
  ],
  [{ release: '1' }, bookworm, 'release 1 is used'],
  [{ release: '8' }, rocky, 'release 8 is used, although its os-release says 9.4'],
  [{ os: 'rock' }, rocky, 'os rock is used, although its os-release says ID=rocky'],
  [{ release: 'bookworm' }, sid, 'release bookworm is used, although its os-release says trixie'],
])('%j wins over what a bare root says, with a warning', (said, facts, warning) => {
  const name = bareRoot(said, { architecture: 'amd64', ...facts });
  expect(name).toMatchObject(said);
  expect(name.warnings).toEqual([expect.stringContaining(`root.tar: ${warning}`)]);
});

test('an architecture that the programs of a bare root contradict is refused', () => {
  expect(() => bareRoot({ architecture: 'arm64' })).toThrow(
    'root.tar: architecture was given as arm64, but its programs are for amd64: leave architecture out',
  );
});

test('a name in os-release that cannot be one is refused, naming the file', () => {
  expect(() => bareRoot({}, { ...bookworm, os: 'a/b' })).toThrow(
    /^root\.tar: its os-release: os "a\/b": use letters.*; or give another with os$/,
  );
});
