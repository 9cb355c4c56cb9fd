import * as z from 'zod';
import { boolean, duration, integer, leaf, networks, positiveSize, streamName } from './fields.ts';
import { allowedUpstream } from './upstream-fields.ts';

/** The setting `registry`: what clients of LXD and Incus may push and copy. */
export const registry = z.strictObject({
  /** The stream for pushed images. */
  stream: streamName.prefault('pushed'),
  /** The number of versions that each alias keeps. */
  keep: integer(1, 1_000_000).prefault(10),
  /** Bytes of pushed images: in a stream, and from one client or token. */
  streamQuota: positiveSize.exactOptional(),
  entryQuota: positiveSize.exactOptional(),
  /** Servers from which images may be pulled when clients copy without --mode push. */
  pullFrom: networks.prefault([]),
  /** Image servers (simplestreams) from which clients may copy; each entry covers everything below its URL. */
  mirrorFrom: leaf(
    'map',
    z.array(allowedUpstream, {
      error: 'expected a list of image servers, such as [{url: https://images.example.com, keyring: FILE}]',
    }),
  ).prefault([]),
  /** Milliseconds between checks for newer versions of images with auto-update. */
  refreshEvery: duration
    .refine((value) => value >= 1000, { error: 'expected a duration of at least 1s' })
    .prefault('6h'),
});

/** The setting `lxc`: what LXC downloads (`lxc-create -t download`). */
export const lxc = z.strictObject({
  /** Whether it is served. */
  enabled: boolean.prefault(true),
  /** The streams in which roots with another compression get an xz form, which LXC needs. */
  compress: leaf(
    'map',
    z.array(streamName, { error: 'expected a list of streams, such as [images]' }),
  ).prefault([]),
});
