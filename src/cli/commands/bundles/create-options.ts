import { HeadwaterError } from '../../../errors.ts';

/** The options of `bundle create`. */
export interface CreateOptions {
  to: string;
  stream?: string[];
  select?: string[];
  mirror?: string[];
  since?: string;
  receipt?: string;
  keyring?: string;
  again?: string;
  volume?: string[];
  volumeSize?: string;
  maxSize?: string;
  fetch?: boolean;
  withHeadwater?: string;
  label?: string;
  dryRun?: boolean;
  readBack: boolean;
}

/** The OUTPUT that means standard output. */
export const standardStream = '-';

/** @throws HeadwaterError `usage` for options that a stream cannot have */
export function assertForStream(options: CreateOptions, { json }: { json: boolean }): void {
  const problem =
    options.volumeSize !== undefined
      ? '--volume-size: a stream has no volumes'
      : options.volume !== undefined
        ? '--volume: a stream has no volumes'
        : options.withHeadwater !== undefined
          ? '--with-headwater: a stream has no other files'
          : json && options.dryRun !== true
            ? '--json: standard output is the stream. Use "headwater bundle list --json" afterwards'
            : undefined;
  if (problem !== undefined) throw new HeadwaterError('usage', problem);
}
