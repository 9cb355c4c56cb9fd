import type { TrialImage } from './image.ts';

/** A state that something may be in: here, gone, or either where an answer never came. */
type State = 'present' | 'absent';

/** A version, or a pushed image, that a trial has sent. */
export interface Entry {
  image: TrialImage;
  /** In which states it may be found. */
  states: Set<State>;
  /** Something is being done to it. */
  busy: boolean;
}

/**
 * What must be found in a data directory: what was acknowledged is certain, what was under way when the event came may be
 * done or not, but never by half.
 */
export class Ledger {
  /** By `product@serial`. */
  readonly versions = new Map<string, Entry>();
  /** By fingerprint. */
  readonly pushes = new Map<string, Entry>();
  /** Where an alias may point to: releases, and undefined for nowhere. */
  readonly aliases = new Map<string, Set<string | undefined>>();
  /** Names of tokens, and whether each may be there. */
  readonly tokens = new Map<string, Set<State>>();
  /** Aliases whose request is under way. */
  readonly movingAliases = new Set<string>();
  /** Versions that a finished mirror run has brought, as `product@serial`. */
  readonly mirrored = new Set<string>();
  /** How many images were made: each has a serial of its own. */
  images = 0;

  /** Something is about to be tried that leads to `state`. @returns to be called when it was acknowledged */
  attempt(entry: Entry, state: State): { acknowledged: () => void; over: () => void } {
    entry.states.add(state);
    entry.busy = true;
    return {
      acknowledged: () => {
        entry.states = new Set([state]);
      },
      over: () => {
        entry.busy = false;
      },
    };
  }

  /** A version that is certainly there and that nothing is being done to. */
  idle(): Entry[] {
    return [...this.versions.values()].filter(
      ({ busy, states }) => !busy && states.size === 1 && states.has('present'),
    );
  }

  /** As it is now, for {@link goBackTo}. */
  copy(): Ledger {
    const copy = new Ledger();
    for (const kind of ['versions', 'pushes'] as const) {
      for (const [name, { image, states }] of this[kind]) {
        copy[kind].set(name, { image, states: new Set(states), busy: false });
      }
    }
    for (const [name, targets] of this.aliases) copy.aliases.set(name, new Set(targets));
    for (const [name, states] of this.tokens) copy.tokens.set(name, new Set(states));
    for (const name of this.mirrored) copy.mirrored.add(name);
    return copy;
  }

  /** The catalog of an earlier moment was put in place: what came later must not be there. */
  goBackTo(then: Ledger): void {
    for (const kind of ['versions', 'pushes'] as const) {
      for (const [name, entry] of this[kind]) {
        entry.states = new Set(then[kind].get(name)?.states ?? ['absent' as const]);
      }
    }
    for (const name of this.aliases.keys()) {
      this.aliases.set(name, new Set(then.aliases.get(name) ?? [undefined]));
    }
    for (const name of this.tokens.keys()) {
      this.tokens.set(name, new Set(then.tokens.get(name) ?? ['absent' as const]));
    }
    this.mirrored.clear();
    for (const name of then.mirrored) this.mirrored.add(name);
  }

  /** What happened is over: what was under way before is no more. */
  settle(): void {
    for (const entry of [...this.versions.values(), ...this.pushes.values()]) entry.busy = false;
    this.movingAliases.clear();
  }
}

export function entryOf(image: TrialImage): Entry {
  return { image, states: new Set<State>(['absent']), busy: false };
}

export function keyOf({ product, serial }: TrialImage): string {
  return `${product}@${serial}`;
}
