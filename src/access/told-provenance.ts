import type { Provenance } from '../catalog/evidence/evidence-rows.ts';
import { mirrorOf } from '../catalog/products/ownership.ts';
import { defined } from '../model/defined.ts';
import type { BundleOrigin, Proof, SignedBy } from '../model/evidence.ts';

/** The origin of a version, as it is told. Times are in ISO 8601. */
export interface ToldProvenance {
  /** Of what was recorded; `headwater mirror verify` proves it. */
  proof: Proof;
  /** The mirror that the version belongs to; absent where it was published here. */
  mirror?: string;
  /** The names of the version and its product at the upstream. */
  upstreamName?: string;
  upstreamProduct?: string;
  /** The address that the bytes came from. Only for administrators. */
  servedBy?: string;
  /** When the evidence was recorded. */
  recordedAt?: string;
  document?: {
    sha256: string;
    /** Whether its signature is a file of its own. */
    detached: boolean;
    /** The mirror that fetched it, perhaps at another site. */
    mirror: string;
    /** The address of the upstream. Only for administrators. */
    url?: string;
    path: string;
    contentId: string;
    updated?: string;
    signedAt?: string;
    signedBy: SignedBy[];
    fetchedAt: string;
  };
  /** The bundle that brought the version. `operator` is told to administrators only. */
  bundle?: Omit<BundleOrigin, 'operator'> & { operator?: string };
}

/**
 * What may be told about the origin of a version.
 * @param options.isAdministrator whether addresses of upstreams and names of operators are told, too
 */
export function toldProvenance(
  { owner, proof = 'none', document, bundle, ...provenance }: Provenance,
  { isAdministrator }: { isAdministrator: boolean },
): ToldProvenance {
  const { upstreamName, upstreamProduct, servedBy, recordedAt } = provenance;
  return {
    proof,
    ...defined({
      mirror: mirrorOf(owner),
      upstreamName,
      upstreamProduct,
      servedBy: isAdministrator ? servedBy : undefined,
      recordedAt: recordedAt?.toISOString(),
    }),
    ...(document === undefined
      ? {}
      : {
          document: {
            ...{
              sha256: document.sha256,
              detached: document.signature !== undefined,
              mirror: document.mirror,
            },
            ...(isAdministrator ? { url: document.url } : {}),
            ...{ path: document.path, contentId: document.contentId },
            ...defined({
              updated: document.updated?.toISOString(),
              signedAt: document.signedAt?.toISOString(),
            }),
            ...{ signedBy: document.signedBy, fetchedAt: document.fetchedAt.toISOString() },
          },
        }),
    ...(bundle === undefined ? {} : { bundle: toldBundle(bundle, isAdministrator) }),
  };
}

function toldBundle({ operator, ...bundle }: BundleOrigin, isAdministrator: boolean) {
  return isAdministrator ? { ...bundle, operator } : bundle;
}
