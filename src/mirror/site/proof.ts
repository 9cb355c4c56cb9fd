import type { ManifestProduct, ManifestVersion } from '../../bundle/format/manifest-schema.ts';
import type { Proof, SiteMirror } from '../../config/sites/site-mirror-schema.ts';

/** Why a version may not be imported because of its proof; undefined if it may. */
export type JudgeProof = (product: ManifestProduct, version: ManifestVersion) => string | undefined;

/** Decides about versions by the `upstreams` of a definition. */
export function judgeProof({ upstreams }: Pick<SiteMirror, 'upstreams'>): JudgeProof {
  return ({ owner }) => {
    const demanded = proofFor(upstreams, owner);
    if (demanded === undefined) return `"upstreams" does not name its owner ${owner}, and has no "*"`;
    if ('keyring' in demanded)
      return `"upstreams" demands a document of the upstream of ${owner}, which this version of Headwater cannot check yet: use {proof: site} to trust the sender of the bundle`;
    return demanded.proof === 'refuse' ? `"upstreams" refuses images of ${owner}` : undefined;
  };
}

/** How the images of an owner must be proven; undefined for an owner that the definition does not name. */
function proofFor(upstreams: SiteMirror['upstreams'], owner: string): Proof | undefined {
  return Object.hasOwn(upstreams, owner) ? upstreams[owner] : upstreams['*'];
}
