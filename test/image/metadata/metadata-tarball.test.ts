import { readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { makeMetadataTarball } from '../../../src/image/metadata/metadata-tarball.ts';
import { inspect } from '../inspecting.ts';
import { scratch, tool } from '../tools.ts';

const { directory, remove } = scratch();
afterAll(remove);

const options = {
  os: 'debian',
  osTitle: 'Debian',
  release: 'bookworm',
  variant: 'default',
  architecture: 'arm64',
  serial: '20260102_0304',
} as const;

describe('a metadata tarball that was made', () => {
  it('is the metadata of a split image', async () => {
    const content = await inspect(await makeMetadataTarball(options));
    expect(content).toMatchObject({
      kind: 'metadata',
      compression: 'xz',
      metadata: {
        architecture: 'arm64',
        creationDate: Date.UTC(2026, 0, 2, 3, 4) / 1000,
        properties: {
          os: 'Debian',
          release: 'bookworm',
          variant: 'default',
          architecture: 'arm64',
          serial: '20260102_0304',
          name: 'debian-bookworm-arm64-default-20260102_0304',
          description: 'Debian bookworm arm64 (20260102_0304)',
        },
      },
    });
  });

  it('is unpacked by tar, with the templates that metadata.yaml names', async () => {
    const file = path.join(directory, 'metadata.tar.xz');
    writeFileSync(file, await makeMetadataTarball(options));
    tool('tar', ['--directory', directory, '--extract', '--xz', '--file', file]);
    const yaml = parse(readFileSync(path.join(directory, 'metadata.yaml'), 'utf8'));
    expect(yaml.architecture).toBe('aarch64');
    expect(yaml.templates).toEqual({
      '/etc/hostname': {
        when: ['create', 'copy', 'rename'],
        create_only: false,
        template: 'hostname.tpl',
        properties: {},
      },
      '/etc/hosts': { when: ['create', 'copy'], create_only: false, template: 'hosts.tpl', properties: {} },
    });
    const template = (name: string) => readFileSync(path.join(directory, 'templates', name), 'utf8');
    expect(template('hostname.tpl')).toBe('{{ container.name }}\n');
    expect(template('hosts.tpl').split('\n')).toEqual(
      expect.arrayContaining([
        '127.0.0.1\tlocalhost',
        '127.0.1.1\t{{ container.name }}',
        '::1\tlocalhost ip6-localhost ip6-loopback',
      ]),
    );
    expect(statSync(path.join(directory, 'metadata.yaml')).mtime.toISOString()).toBe(
      '2026-01-02T03:04:00.000Z',
    );
  });

  it('is the same each time, and small', async () => {
    const [first, second] = await Promise.all([makeMetadataTarball(options), makeMetadataTarball(options)]);
    expect(first.equals(second)).toBe(true);
    expect(first.length).toBeLessThan(2048);
  });

  it('keeps what YAML would take for something else', async () => {
    const content = await inspect(
      await makeMetadataTarball({ ...options, release: '24.10', variant: 'no', osTitle: '# "x": y' }),
    );
    expect(content).toMatchObject({
      metadata: { properties: { release: '24.10', variant: 'no', os: '# "x": y' } },
    });
  });

  it('has no serial that is no date', async () => {
    for (const serial of ['20261302_0304', 'today', '20260102']) {
      await expect(makeMetadataTarball({ ...options, serial })).rejects.toThrow(`serial "${serial}"`);
    }
  });
});
