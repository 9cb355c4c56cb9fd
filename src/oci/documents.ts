import { hash } from 'node:crypto';
import type { ManifestRecord } from '../catalog/images/repositories.ts';
import { timeOfSerial } from '../model/names.ts';
import { type Platform, platformOf } from './platform.ts';

// The documents of OCI images (Image Specification 1.1). The same version gives the same bytes, on every server and for
// ever: the order of keys is part of them, and no time of serving is.

/** Media types of the documents and of a layer. */
const mediaTypes = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
} as const;

/** The root of a version as a layer. */
export interface Layer {
  /** SHA-256 of the gzip file, in hexadecimal. */
  digest: string;
  /** Bytes. */
  size: number;
  /** SHA-256 of the tar archive in it. */
  unpacked: string;
}

/** A document of a registry. */
export interface OciDocument {
  mediaType: string;
  /** `sha256:` and the digest. */
  digest: string;
  bytes: Buffer;
}

/** The documents of one version of a product. */
export interface VersionDocuments {
  platform: Platform;
  config: OciDocument;
  manifest: OciDocument;
}

/** @param version.architecture by its Debian name */
export function describeVersion(
  version: { architecture: string; serial: string },
  layer: Layer,
): VersionDocuments {
  const platform = platformOf(version.architecture);
  const created = timeOfSerial(version.serial).toISOString().replace('.000Z', 'Z');
  const config = documentOf(mediaTypes.config, {
    created,
    ...platform,
    config: {
      Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
      Cmd: ['/sbin/init'],
      // With this signal, systemd and busybox init of containers shut down (systemd(1), "SIGNALS").
      StopSignal: 'SIGRTMIN+3',
    },
    rootfs: { type: 'layers', diff_ids: [`sha256:${layer.unpacked}`] },
    history: [{ created, created_by: 'headwater' }],
  });
  const manifest = documentOf(mediaTypes.manifest, {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: descriptorOf(config),
    layers: [{ mediaType: mediaTypes.layer, digest: `sha256:${layer.digest}`, size: layer.size }],
  });
  return { platform, config, manifest };
}

/** The documents with which a client pushed a version. @param architecture by its Debian name */
export function pushedDocuments(architecture: string, record: ManifestRecord): VersionDocuments {
  const [manifest, config] = [Buffer.from(record.manifest), Buffer.from(record.config)];
  return {
    platform: platformOf(architecture),
    config: { mediaType: mediaTypes.config, digest: digestOf(config), bytes: config },
    manifest: { mediaType: record.mediaType, digest: digestOf(manifest), bytes: manifest },
  };
}

/** An index over the architectures of a version; also for one, so that its shape stays the same. */
export function indexOf(versions: readonly VersionDocuments[]): OciDocument {
  return documentOf(mediaTypes.index, {
    schemaVersion: 2,
    mediaType: mediaTypes.index,
    manifests: versions.map(({ manifest, platform }) => ({ ...descriptorOf(manifest), platform })),
  });
}

/** The answer to a request for referrers, of which there are none (Distribution Specification 1.1, "Listing Referrers"). */
export const noReferrers = documentOf(mediaTypes.index, {
  schemaVersion: 2,
  mediaType: mediaTypes.index,
  manifests: [],
});

function documentOf(mediaType: string, content: object): OciDocument {
  const bytes = Buffer.from(JSON.stringify(content));
  return { mediaType, digest: digestOf(bytes), bytes };
}

function digestOf(bytes: Buffer): string {
  return `sha256:${hash('sha256', bytes)}`;
}

function descriptorOf({ mediaType, digest, bytes }: OciDocument) {
  return { mediaType, digest, size: bytes.length };
}
