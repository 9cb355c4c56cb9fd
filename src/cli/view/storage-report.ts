import type { AsideReason } from '../../blobs/blob-store.ts';
import type { StoreReport } from '../../ops/store-report.ts';
import { humanSize } from './human.ts';

export function storageText(report: StoreReport): string {
  const { owner, setAside, stoppedSweep: stopped } = report;
  const aside = (reason: AsideReason) =>
    `${setAside[reason].blobs} blobs, ${humanSize(setAside[reason].bytes)}`;
  const rows = [
    ['catalog', `${report.catalog}, revision ${report.revision}`],
    ['owner', owner === null ? '-' : `${owner.catalog}, revision ${owner.revision}, ${owner.at}`],
    ['owned', report.owned ? 'yes' : 'no: nothing is removed'],
    ['set aside', `removed: ${aside('removed')}; unknown: ${aside('unknown')}; damaged: ${aside('damaged')}`],
    [
      'sweep',
      stopped === null
        ? '-'
        : `stopped at ${stopped.at}: ${stopped.unknown} of ${stopped.blobs} blobs unknown`,
    ],
  ];
  return rows.map(([title = '', value = '']) => `${title.padEnd(11)}${value}`).join('\n');
}
