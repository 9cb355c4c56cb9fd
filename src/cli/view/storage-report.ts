import type { AsideReason } from '../../blobs/blob-store.ts';
import type { ScrubReport } from '../../ops/scrub/scrub-report.ts';
import type { StoreReport } from '../../ops/store-report.ts';
import { humanSize } from './human.ts';

export function storageText(report: StoreReport): string {
  const { owner, setAside, stoppedSweep: stopped, scrub } = report;
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
    ['scrub', scrubText(scrub)],
    [
      'lost',
      scrub.lost.blobs === 0
        ? '-'
        : `${scrub.lost.blobs} blobs, ${humanSize(scrub.lost.bytes)}: "headwater verify" names them`,
    ],
  ];
  return rows.map(([title = '', value = '']) => `${title.padEnd(11)}${value}`).join('\n');
}

/** The last completed scrub, and the one that is not finished. */
function scrubText({ running, round, last, total }: ScrubReport): string {
  const done =
    last === null
      ? 'none was completed yet'
      : `completed ${last.finishedAt ?? ''}: ${last.blobs} blobs read; ${last.damaged} damaged, ${last.missing} missing, ${last.fingerprints} wrong fingerprints`;
  if (round === null) return done;
  const progress = `${humanSize(round.bytes + (round.reading ?? 0))} of ${humanSize(total)}`;
  const problem = round.problem === undefined ? '' : ` (${round.problem})`;
  return `${done}; ${running ? 'running' : 'interrupted'} since ${round.startedAt}: ${progress} read${problem}`;
}
