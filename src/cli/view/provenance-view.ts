import type { ToldProvenance } from '../../access/told-provenance.ts';
import { humanTime } from './human.ts';

const proofs = {
  upstream: 'upstream: a document that the upstream signed lists its files',
  site: 'site: the signature of the site that sent it',
  none: 'none',
} as const;

/** The origin of a version, as lines of a name and a value. */
export function provenanceLines(told: ToldProvenance): [name: string, value: string][] {
  const { document, bundle } = told;
  const lines: [string, string | undefined][] = [
    ['proof', told.mirror === undefined ? 'none: it was published here' : proofs[told.proof]],
    ['mirror', told.mirror],
    ['upstream product', told.upstreamProduct],
    ['upstream version', told.upstreamName],
    ['recorded', shownTime(told.recordedAt)],
    ['bytes from', told.servedBy],
  ];
  if (document !== undefined) {
    const { url, path, signedBy } = document;
    lines.push(
      ['document', url === undefined ? path : `${url}/${path}`],
      ['document SHA-256', document.sha256],
      ['content id', document.contentId],
      ['updated', shownTime(document.updated)],
      ['signed', shownTime(document.signedAt) ?? 'no'],
      ...signedBy.map(({ fingerprint, userId }): [string, string] => [
        'signed by',
        userId === undefined ? fingerprint : `${fingerprint} ${userId}`,
      ]),
      ['fetched', `${shownTime(document.fetchedAt)} by mirror ${document.mirror}`],
    );
  }
  if (bundle !== undefined) {
    lines.push(
      ['bundle', `${bundle.sequence} of ${bundle.site}, ${bundle.identity}`],
      ['bundle signed by', bundle.signer ?? 'nobody'],
      ['imported by', bundle.operator],
    );
  }
  return lines.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]));
}

function shownTime(time: string | undefined): string | undefined {
  return time === undefined ? undefined : `${humanTime(new Date(time))} UTC`;
}
