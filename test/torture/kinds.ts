import type { Kind } from './trial.ts';
import { underLoad } from './trial.ts';

/** The server is killed under load; commands, too, each at a moment of its own. */
const kill: Kind = {
  event: (site, random) => underLoad(site, random, () => site.kill()),
};

/** Every kind of trial, by its name. */
export const kinds: Readonly<Record<string, Kind>> = { kill };
