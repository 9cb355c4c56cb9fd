import { expect, test } from 'vitest';
import type { ImageMetadata } from '../../src/image/content.ts';
import { checkRequest, describe as describeVersion, nameBareRoot } from '../../src/publish/describe.ts';
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
    aliases: [],
    implied: ['debian/bookworm', 'debian/bookworm/default'],
  });
});

test('a serial in the properties is used when it is one, else the creation date', () => {
  expect(description({}, { serial: '20260201_10:11' }).serial).toBe('20260201_1011');
  expect(description({}, { serial: 'v7' }).serial).toBe('20260131_0524');
  expect(description({ serial: '20260301' }, { serial: '20260201_10:11' }).serial).toBe('20260301_0000');
});

test('another variant has only its own alias', () => {
  expect(description({}, { variant: 'cloud' }).implied).toEqual(['debian/bookworm/cloud']);
});

test.each([
  [{ os: 'ubuntu' }, 'os was given as ubuntu, but metadata.yaml says debian'],
  [{ release: 'trixie' }, 'release was given as trixie, but metadata.yaml says bookworm'],
  [{ architecture: 'arm64' }, 'architecture was given as arm64, but metadata.yaml says amd64'],
])('%j disagrees with metadata.yaml', (said, message) => {
  expect(() => description(said)).toThrow(message);
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
  [{ os: 'a/b' }, 'metadata.yaml: property "os" "a/b"'],
  [{ release: 'a:b' }, 'metadata.yaml: property "release" "a:b"'],
  [{ architecture: 'arm64' }, 'metadata.yaml: property "architecture" is arm64'],
])('the properties %j are refused', (properties, message) => {
  expect(() => description({}, properties)).toThrow(message);
});

test('a bare root says what it is, and flags say the rest', () => {
  const facts = { os: 'debian', release: 'bookworm', architecture: 'amd64' } as const;
  const name = nameBareRoot('root.tar', checkRequest({ files: [], variant: 'mine' }), facts);
  expect(name).toMatchObject({ os: 'debian', release: 'bookworm', architecture: 'amd64', variant: 'mine' });
  const own = nameBareRoot('root.tar', checkRequest({ files: [], os: 'acme', release: '1' }), facts);
  expect(own).toMatchObject({ os: 'acme', release: '1', architecture: 'amd64' });
  expect(() => nameBareRoot('root.tar', checkRequest({ files: [] }), { os: 'debian' })).toThrow(
    'root.tar: has no metadata and does not say everything itself: give --release and --architecture',
  );
  expect(() => nameBareRoot('root.tar', checkRequest({ files: [], architecture: 'arm64' }), facts)).toThrow(
    'architecture was given as arm64, but its programs are for amd64',
  );
});
