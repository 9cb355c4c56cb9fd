import type { Selectable } from 'kysely';
import * as z from 'zod';
import { defined } from '../../model/defined.ts';
import { jsonColumn, textRecord, timeOf } from '../database/checked-column.ts';
import type { Tables } from '../database/tables.ts';

/** The source of newer versions of an image: an image server. */
export interface UpdateSource {
  /** Its address, without a slash at the end. */
  server: string;
  /** The name by which the image is requested there. */
  alias: string;
  type: 'container' | 'virtual-machine';
  architecture: string;
  /** The product and version there of which the image is a copy. */
  product: string;
  serial: string;
  /** The server's name of the version; unknown for copies from before it was recorded. */
  version?: string;
}

/** The additional details of an image that a client pushed. */
export interface PushedDetails {
  properties: Record<string, string>;
  profiles: string[];
  /** The name that the sender gave it; empty when none was given. */
  filename: string;
  autoUpdate: boolean;
  createdAt: Date;
  expiresAt?: Date;
  /** The identity whose quota it counts towards. */
  pushedBy: string;
  /** Set on an image that was copied from an image server with auto-update. */
  updateSource?: UpdateSource;
}

const readProperties = jsonColumn('pushed.properties', textRecord);
const readProfiles = jsonColumn('pushed.profiles', z.array(z.string()));
const readUpdateSource = jsonColumn<UpdateSource>(
  'pushed.update_source',
  z.looseObject({
    server: z.string(),
    alias: z.string(),
    type: z.enum(['container', 'virtual-machine']),
    architecture: z.string(),
    product: z.string(),
    serial: z.string(),
    version: z.string().exactOptional(),
  }),
);

/** The details that an edit may change. */
export interface Editable {
  pushed: PushedDetails;
  hidden: boolean;
}

/** The names of the details that an edit changed, and whether the image is public now, for the audit log. */
export function differences(before: Editable, after: Editable): Record<string, unknown> {
  const [old, now] = [flat(before), flat(after)];
  const changed = [...new Set([...Object.keys(old), ...Object.keys(now)])].filter(
    (key) => old[key] !== now[key],
  );
  return { public: !after.hidden, changed: changed.sort() };
}

function flat({ pushed, hidden }: Editable): Record<string, unknown> {
  const { properties, profiles, autoUpdate, expiresAt } = pushed;
  return {
    ...Object.fromEntries(Object.entries(properties).map(([key, value]) => [`properties.${key}`, value])),
    profiles: profiles.join(),
    auto_update: autoUpdate,
    expires_at: expiresAt?.getTime(),
    public: !hidden,
  };
}

export function toDetails(row: Omit<Selectable<Tables['pushed']>, 'bytes'>): PushedDetails {
  const { version_id: id } = row;
  return {
    properties: readProperties(row.properties, id),
    profiles: readProfiles(row.profiles, id),
    filename: row.filename,
    autoUpdate: row.auto_update === 1,
    createdAt: new Date(row.created_at),
    pushedBy: row.pushed_by,
    ...defined({
      expiresAt: timeOf(row.expires_at),
      updateSource: readUpdateSource(row.update_source, id),
    }),
  };
}

export function toRow(pushed: PushedDetails) {
  return {
    properties: JSON.stringify(pushed.properties),
    profiles: JSON.stringify(pushed.profiles),
    filename: pushed.filename,
    auto_update: pushed.autoUpdate ? 1 : 0,
    created_at: pushed.createdAt.getTime(),
    expires_at: pushed.expiresAt?.getTime() ?? null,
    update_source: pushed.updateSource === undefined ? null : JSON.stringify(pushed.updateSource),
  };
}
