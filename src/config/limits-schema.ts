import * as z from 'zod';
import { duration, integer, positiveSize, size } from './fields.ts';

const mebibyte = 2 ** 20;
const tebibyte = 2 ** 40;

/** The setting `limits`. */
export const limits = z.strictObject({
  /** Bytes of one uploaded blob. */
  uploadSize: positiveSize.prefault('64GiB'),
  /** Unfinished uploads of one token or client: their number, their bytes, and milliseconds for which they are kept. */
  unfinishedUploads: integer(1, 10_000).prefault(64),
  unfinishedUploadBytes: positiveSize.prefault('128GiB'),
  unfinishedUploadAge: duration.prefault('12h'),
  /** The number of entries in the audit log. */
  auditEntries: integer(1000, 100_000_000).prefault(100_000),
  /** Open connections, in total and of one address. */
  connections: integer(10, 1_000_000).prefault(10_000),
  connectionsPerAddress: integer(1, 1_000_000).prefault(2000),
  /** Active requests, in total and of one address. */
  requests: integer(10, 1_000_000).prefault(5000),
  requestsPerAddress: integer(1, 1_000_000).prefault(1500),
  /** Milliseconds after which a client that reads nothing of its response is disconnected. */
  sendTimeout: duration
    .refine((value) => value >= 1000, { error: 'expected a duration of at least 1s' })
    .prefault('2m'),
  /** Files that are examined at the same time. */
  examinations: integer(2, 1024).prefault(8),
  /** Bytes of memory for examinations; one file may use half: enough for what xz packs by default. */
  examinationMemory: size(256 * mebibyte, tebibyte, 'of at least 256MiB').prefault('512MiB'),
  /** Milliseconds without progress after which an examination is aborted. */
  examinationTimeout: duration
    .refine((value) => value >= 1000, { error: 'expected a duration of at least 1s' })
    .prefault('1m'),
});
