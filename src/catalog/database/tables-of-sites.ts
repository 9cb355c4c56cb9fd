import type { Generated } from 'kysely';

/** The tables of bundles for sites without a network, and of the evidence for versions that came from elsewhere. */
export interface TablesOfSites {
  /** Bundles that were written for sites without a network. */
  bundles: {
    /** The site that receives it. */
    site: string;
    sequence: number;
    /** SHA-256 of the manifest. */
    identity: string;
    /** The bytes that were signed. */
    manifest: string;
    /** Armored. */
    signature: string;
    label: string | null;
    /** Of the blobs that it carries. */
    bytes: number;
    volume_count: number;
    created_at: number;
    /** Null while it is being written. */
    finished_at: number | null;
    /** Null until a receipt of the site names it or a later one. */
    acknowledged_at: number | null;
  };
  /** The blobs that bundles carry. `repeated` is 1 where a previous bundle carried the blob, too, as `overlap` asks for. */
  bundle_blobs: { site: string; sequence: number; digest: string; repeated: number };
  /** The documents of upstreams that bundles carry. */
  bundle_documents: { site: string; sequence: number; sha256: string };
  /** Versions that an operator withdrew. */
  withdrawn_versions: {
    stream: string;
    product: string;
    serial: string;
    withdrawn_at: number;
    reason: string;
  };
  /** The newest receipt of each site. */
  receipts: {
    site: string;
    /** 0 if the site had no bundle. */
    sequence: number;
    created_at: number;
    /** Null for a short code. */
    signed_by: string | null;
    missing: number;
  };
  /** The blobs that a site had according to its newest receipt. */
  receipt_blobs: { site: string; digest: string };
  /** The documents of upstreams that vouch for versions. Their bytes are blobs. */
  kept_documents: {
    id: Generated<number>;
    /** Whose versions refer to it: `mirror:NAME`. */
    owner: string;
    /** Of its bytes, as the upstream served them. */
    sha256: string;
    /** The blob with its bytes, compressed by gzip, and the size of the blob. */
    blob: string;
    blob_size: number;
    /** Its detached signature in Base64; null where it is clear-signed, or not signed. */
    signature: string | null;
    /** The name of the mirror that fetched it, perhaps at another site. */
    mirror: string;
    url: string;
    path: string;
    content_id: string;
    /** The time of its last change, as it says. */
    updated: number | null;
    signed_at: number | null;
    /** The keys of its good signatures, as JSON. */
    signed_by: string;
    fetched_at: number;
    /** When a mirror last followed it: garbage collection waits for the grace period after it. */
    used_at: number;
  };
  /** What vouches for a version that came from elsewhere. */
  evidence: {
    version_id: number;
    document_id: number | null;
    proof: string;
    /** The name of the product at the upstream. */
    upstream_product: string | null;
    /** The address that the bytes came from. */
    served_by: string | null;
    /** The bundle that brought it, as JSON. */
    bundle: string | null;
    recorded_at: number;
  };
  /** Bundles of other sites that mirrors imported. */
  received_bundles: {
    mirror: string;
    /** SHA-256 of the manifest. */
    identity: string;
    /** The site that wrote it. */
    site: string;
    /** The name of this site in it. */
    destination: string;
    sequence: number;
    /** The identity of the bundle before it. */
    previous: string | null;
    /** The fingerprint of the key; null when its signature was not checked. */
    signed_by: string | null;
    created_at: number;
    /** When it was first imported. */
    received_at: number;
    /** Whether everything that it carries and that was needed was whole: 1 or 0. */
    is_complete: number;
    /** Of the bundle whose state the mirror follows: the bytes that were signed. Null in all others. */
    manifest: string | null;
    /** Versions of that state that lack blobs. */
    waiting_versions: number;
  };
  /** The blobs of versions that lack some of them. */
  awaited_blobs: {
    mirror: string;
    digest: string;
    size: number;
    /** The bundle that carried it. */
    sequence: number;
  };
}
