import type { Generated } from 'kysely';
import type { TablesOfSites } from './tables-of-sites.ts';

// Times are milliseconds since 1970; lists and maps are JSON in text columns; no column is a database's own type,
// so that another SQL database can take SQLite's place.

export interface Tables extends TablesOfSites {
  revision: { id: number; value: number };
  products: {
    id: Generated<number>;
    name: string;
    os: string;
    release: string;
    architecture: string;
    variant: string;
    /** Names are unique within a stream. */
    stream: string;
    /**
     * Tells the paths of its files from those of a product with the same name, for as long as it exists: empty for the first
     * one. Names are unique within a place, too.
     */
    place: string;
    owner: string;
    os_title: string;
    release_title: string;
    support_eol: string | null;
    requirements: string;
    /** The release that documents name, where it is not the one in the product's name. */
    release_shown: string | null;
    /** The revision in which anything that documents say of the product last changed. */
    revision: number;
  };
  versions: {
    id: Generated<number>;
    product_id: number;
    serial: string;
    /** Its name at the upstream of a mirror. */
    upstream_name: Generated<string | null>;
    label: string;
    published_at: number;
    /** Set when it left the documents: it stays fetchable for the grace period. */
    removed_at: number | null;
    /** 1 when documents do not list it, and only identities with the right to read its stream may get it. */
    hidden: Generated<number>;
    /** Whose quota it counts towards (`client:NAME` or `token:NAME`), when it was published through the management API. */
    published_by: Generated<string | null>;
    /** Of all its items; null when it counts towards no quota, or `pushed` has them. */
    bytes: Generated<number | null>;
  };
  /** The additional details of a version that a client pushed. */
  pushed: {
    version_id: number;
    /** Image properties, as JSON. */
    properties: string;
    /** Names, as JSON. */
    profiles: string;
    filename: string;
    auto_update: number;
    created_at: number;
    expires_at: number | null;
    /** The identity whose quota it counts towards: `client:NAME` or `token:NAME`. */
    pushed_by: string;
    /** Of all its items. */
    bytes: number;
    /** The source of newer versions, as JSON. */
    update_source: string | null;
  };
  items: {
    version_id: number;
    file: string;
    type: string;
    digest: string;
    size: number;
    fingerprint: string | null;
    /** For a delta: the serial of the version to which it applies. */
    delta_base: string | null;
  };
  /** Files that Headwater makes from the items of a version, for clients that need another form. */
  generated_files: {
    version_id: number;
    kind: string;
    digest: string;
    size: number;
    /** The digest of the item that it was made from; null where it depends on no bytes. */
    source: string | null;
  };
  /** A view: the blobs that versions name, as items and as generated files. */
  named_blobs: { version_id: number; digest: string; size: number };
  aliases: {
    /** Names are unique within a stream; an alias points to products of its stream. */
    stream: string;
    name: string;
    os: string;
    release: string;
    variant: string;
    description: Generated<string>;
    /** The version of the family that it is pinned to; it follows the newest when null. */
    version_id: Generated<number | null>;
    /** Set when a client removed it and may be about to set it again: documents keep it a moment longer. */
    removed_at: Generated<number | null>;
  };
  blobs: {
    digest: string;
    size: number;
    /** The content of the file (`image/content.ts`), as JSON. */
    content: string;
    /** When it was last sent or looked up to be published: garbage collection waits for the grace period after it. */
    used_at: number;
  };
  /** The uploaders of a blob (`client:NAME`, `token:NAME`), until the blob is collected. */
  blob_uploads: { digest: string; uploader: string };
  /** What was computed from the bytes of two files; nothing that only a document says. */
  fingerprints: { metadata: string; root: string; fingerprint: string; computed_at: Generated<number> };
  tokens: {
    id: string;
    name: string;
    hash: string;
    /** `join`: used up by the client that joins with it. */
    purpose: 'api' | 'join';
    actions: string;
    streams: string | null;
    names: string | null;
    created_at: number;
    expires_at: number | null;
    last_used_at: number | null;
    revoked_at: number | null;
  };
  clients: {
    id: string;
    name: string;
    /** SHA-256 of the certificate. */
    fingerprint: string;
    /** PEM */
    certificate: string;
    actions: string;
    streams: string | null;
    names: string | null;
    created_at: number;
    last_used_at: number | null;
    revoked_at: number | null;
  };
  audit: {
    id: Generated<number>;
    at: number;
    who: string;
    origin: string;
    action: string;
    subject: string;
    details: string | null;
  };
  /** The manifests with which OCI clients pushed versions: their bytes have the digests that clients know. */
  manifests: {
    version_id: number;
    digest: string;
    media_type: string;
    /** The bytes, which are UTF-8. */
    manifest: string;
    config: string;
    /** Of several manifests of a version, the last one counts. */
    recorded_at: number;
  };
  /** Random secrets of this catalog. */
  secrets: { name: string; value: string };
  /** One row: the identity of this catalog. */
  instance: { id: number; name: string };
  /** One row: the catalog's records about its blob store as a whole. */
  storage: {
    id: number;
    /** The identity of this catalog, in the store's record of its owner. */
    catalog: string;
    /** The marks that were issued for that record, the newest first, as JSON. */
    marks: string;
    /** The last sweep that stopped because it found too much, as JSON. */
    stopped_sweep: string | null;
  };
  /** One row: the scrubs of the blob store. */
  scrub: {
    id: number;
    /** The scrub that is running or was interrupted, as JSON. */
    round: string | null;
    /** The last scrub that was completed, as JSON. */
    last: string | null;
    /** The process that scrubs now. */
    lease_holder: string | null;
    lease_expires_at: number | null;
  };
  /** Blobs that were found damaged or missing, also those that were stored again meanwhile. */
  lost_blobs: { digest: string; size: number; state: string; problem: string; found_at: number };
  /** The newest documents of image servers that clients copied from, as JSON: the catalog does not read it. */
  image_servers: { url: string; accepted: string };
  /** When documents last changed, so that every server says the same, also after a restart. */
  document_times: {
    document: string;
    /** What tells one state of it from another. */
    content: string;
    /** The revision in which a server rendered it first. */
    revision: number;
    updated_at: number;
  };
  mirrors: {
    name: string;
    /** The state that the last complete run left for the next one, as JSON: the catalog does not read it. */
    state: string | null;
    /** The newest documents that it followed, as JSON: the catalog does not read it. */
    accepted: Generated<string | null>;
    /** How many of its blobs were found damaged or missing so far. */
    losses: Generated<number>;
    next_run_at: number | null;
    /** The process that runs it now. */
    lease_holder: string | null;
    lease_expires_at: number | null;
  };
  sources: {
    digest: string;
    mirror: string;
    path: string;
    size: number;
    recorded_at: number;
    /** When a client last asked for the blob. */
    asked_at: number | null;
  };
  mirror_runs: {
    id: Generated<number>;
    mirror: string;
    cause: string;
    started_at: number;
    finished_at: number | null;
    outcome: string | null;
    /** What it did, as JSON: the catalog does not read it. */
    report: string | null;
    error: string | null;
  };
}
