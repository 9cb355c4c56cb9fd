import { stringify } from 'yaml';
import { HeadwaterError } from '../../errors.ts';
import { type Architecture, kernelName } from '../../model/architecture.ts';
import { xz } from '../compression/xz/xz-pack.ts';
import { type PackEntry, packTar } from '../tar/tar-pack.ts';

/** The content of a metadata tarball that Headwater makes. */
export interface MetadataOptions {
  os: string;
  release: string;
  variant: string;
  architecture: Architecture;
  /** `YYYYMMDD_HHMM`, UTC: also the image's creation date. */
  serial: string;
  /** The distribution's name as people write it; `os` if omitted. */
  osTitle?: string;
  /** Shown in lists of images; made of the other names if omitted. */
  description?: string;
}

// Pongo2, the language of templates in LXD and Incus.
const hostname = '{{ container.name }}\n';
const hosts = `127.0.0.1\tlocalhost
127.0.1.1\t{{ container.name }}

# The following lines are desirable for IPv6 capable hosts
::1\tlocalhost ip6-localhost ip6-loopback
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
`;

/**
 * Makes the metadata of an image that has none: metadata.yaml, and the templates by which the daemons give each
 * instance its own name (the image format of the LXD and Incus documentation; both read the same). The same options
 * always give the same bytes.
 * @returns an xz-compressed tarball of a few hundred bytes
 * @throws HeadwaterError `invalid` for a serial that is not a date
 */
export async function makeMetadataTarball(options: MetadataOptions): Promise<Buffer> {
  const creationDate = dateOf(options.serial);
  const mtime = new Date(creationDate * 1000);
  const file = (name: string, text: string): PackEntry => ({
    name,
    type: 'file',
    mode: 0o644,
    mtime,
    bytes: Buffer.from(text),
  });
  const archive = await packTar([
    file('metadata.yaml', metadataYaml(options, creationDate)),
    { name: 'templates', type: 'directory', mode: 0o755, mtime },
    file('templates/hostname.tpl', hostname),
    file('templates/hosts.tpl', hosts),
  ]);
  return await xz(archive);
}

function metadataYaml(options: MetadataOptions, creationDate: number): string {
  const { os, release, variant, architecture, serial, osTitle = os, description } = options;
  // create_only would keep a file that the root already has; the instance's own name must replace it.
  const template = (file: string, ...when: string[]) => ({
    when,
    create_only: false,
    template: file,
    properties: {},
  });
  return stringify({
    architecture: kernelName(architecture),
    creation_date: creationDate,
    properties: {
      name: [os, release, architecture, variant, serial].join('-'),
      description: description ?? `${osTitle} ${release} ${architecture} (${serial})`,
      os: osTitle,
      release,
      variant,
      architecture,
      serial,
    },
    templates: {
      '/etc/hostname': template('hostname.tpl', 'create', 'copy', 'rename'),
      // Not after a rename: by then, lines may have been added to the file.
      '/etc/hosts': template('hosts.tpl', 'create', 'copy'),
    },
  });
}

function dateOf(serial: string): number {
  const [, date, hour, minute] = /^(\d{8})_(\d{2})(\d{2})$/.exec(serial) ?? [];
  const iso = `${date?.replace(/^(....)(..)/, '$1-$2-')}T${hour}:${minute}:00.000Z`;
  const time = new Date(iso);
  if (Number.isNaN(time.getTime()) || time.toISOString() !== iso) {
    throw new HeadwaterError(
      'invalid',
      `serial ${JSON.stringify(serial)}: expected a date and time as YYYYMMDD_HHMM`,
    );
  }
  return time.getTime() / 1000;
}
