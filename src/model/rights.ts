import { checkField, HeadwaterError } from '../errors.ts';
import { defined } from './defined.ts';
import { parseStream } from './names.ts';
import type { ProductWithVersions } from './versions.ts';

/** The actions that a right allows. `admin` allows everything, including tokens and clients. */
export const actions = ['read', 'publish', 'remove', 'admin'] as const;
export type Action = (typeof actions)[number];

/** Sets of actions, by name. */
export const roles = {
  read: ['read'],
  publish: ['read', 'publish', 'remove'],
  admin: ['admin'],
} as const satisfies Record<string, readonly Action[]>;
export type Role = keyof typeof roles;

/** The rights of an identity: actions, and where they apply. */
export interface Rights {
  actions: Action[];
  /** The streams to which the rights are limited; all if absent. */
  streams?: string[];
  /** Patterns of aliases and products it is for ({@link matchesPattern}); all when absent. */
  names?: string[];
}

/** Only the rights of an object that has more fields. */
export function rightsOf({ actions: allowed, streams, names }: Rights): Rights {
  return {
    actions: allowed,
    ...defined({ streams, names }),
  };
}

/** The requested rights; {@link grant} decides about omitted fields. */
export interface RightsRequest {
  /** At most one of the two. */
  role?: Role;
  actions?: Action[];
  streams?: string[];
  names?: string[];
}

/**
 * The rights of a new token. For the HTTP API that is `read` and `publish` in all streams, for a client that joins the
 * role `publish` in the stream for pushed images, as far as nothing else is asked for.
 * @throws HeadwaterError `invalid`, naming the pattern or what contradicts
 */
export function grant(
  purpose: 'api' | 'join',
  request: RightsRequest,
  options: { pushedTo: string },
): Rights {
  if (request.role !== undefined && request.actions !== undefined) {
    throw new HeadwaterError('invalid', 'role and actions: give one of the two', {
      fields: ['role', 'actions'],
    });
  }
  const role = request.role ?? (purpose === 'join' && request.actions === undefined ? 'publish' : undefined);
  const streams =
    request.streams ?? (purpose === 'join' && role === 'publish' ? [options.pushedTo] : undefined);
  return rightsOf({
    actions: role === undefined ? (request.actions ?? ['read', 'publish']) : [...roles[role]],
    ...defined({
      streams: checkField('streams', () => streams?.map(parseStream)),
      names: checkField('names', () => request.names?.map(parsePattern)),
    }),
  });
}

/**
 * Checks the name of a token or a client.
 * @throws HeadwaterError `invalid`
 */
export function parseHolder(kind: 'token' | 'client', name: string): string {
  if (name !== '' && name.length <= 100 && !/[\u0000-\u001f\u007f]/.test(name)) return name;
  throw new HeadwaterError(
    'invalid',
    `the name of a ${kind}: use 1 to 100 characters, and no control characters`,
  );
}

/**
 * Checks a pattern of names.
 * @throws HeadwaterError `invalid`
 */
export function parsePattern(text: string): string {
  if (/^[A-Za-z0-9._+~:/*?-]{1,255}$/.test(text)) return text;
  throw new HeadwaterError(
    'invalid',
    `name pattern ${JSON.stringify(text)}: use letters, digits and . _ + ~ : / -, with * for any characters and ? for one`,
  );
}

/** The target of an action, for the check of rights. */
export interface Target {
  stream: string;
  /**
   * The names that it goes by: a right to one of them is enough. Left out for a whole stream, of which patterns of names
   * say nothing.
   */
  names?: readonly string[];
  /** The pusher of an image without a name: it belongs to the pusher until it has one. */
  pushedBy?: string;
  /** Its name in messages, if its names must not be shown to everyone. */
  shownAs?: string;
  /** Whether the caller named the stream: then refusals repeat its name, also the name of a private stream. */
  isNamedByCaller?: boolean;
}

/** The facts that decide who may use the bytes of a blob. */
export interface BlobUse {
  digest: string;
  /** Its uploaders, as in {@link Permit.uploader}. */
  uploaders: ReadonlySet<string>;
  /** The products with a version that contains it. */
  products(): Promise<ProductWithVersions[]>;
}

/**
 * Whether an identity may do an action to a target: the only function that decides about rights.
 * @param holder.key `client:NAME` or `token:NAME`, as {@link Target.pushedBy} has it
 */
export function allows(holder: Rights & { key: string }, action: Action, target: Target): boolean {
  return (
    grants(holder, action) && (holder.streams?.includes(target.stream) ?? true) && allowsName(holder, target)
  );
}

/** Whether rights include an action for any target. The right to change an object includes the right to see it. */
export function grants({ actions: granted }: Rights, action: Action): boolean {
  return granted.includes('admin') || granted.includes(action) || action === 'read';
}

function allowsName({ names: patterns, key }: Rights & { key: string }, target: Target): boolean {
  const { names, pushedBy } = target;
  if (patterns === undefined || names === undefined) return true;
  if (pushedBy === key) return true;
  return names.some((name) => patterns.some((pattern) => matchesPattern(pattern, name)));
}

/**
 * Whether the author of a change may make it: asked within its transaction, about the state and with the rights that
 * are valid there.
 */
export interface Permit {
  may(action: Action, target: Target): Promise<boolean>;
  /** @throws HeadwaterError `forbidden`, `unauthorized` */
  demand(action: Action, target: Target): Promise<void>;
  /** Whether messages may name a product. @param isShown whether documents list it */
  maySee(target: Target, isShown: boolean): Promise<boolean>;
  /** Whether the author may use a blob in a version: uploaded it, or may read a version that contains it. */
  mayUse(blob: BlobUse): Promise<boolean>;
  /**
   * The name by which the catalog records the uploader of a blob (`client:NAME`, `token:NAME`); without it, uploads are
   * not recorded.
   */
  uploader?: string;
}

/** All rights, for the commands on this machine and for Headwater itself. */
export const unlimited: Permit = {
  may: () => Promise.resolve(true),
  demand: () => Promise.resolve(),
  maySee: () => Promise.resolve(true),
  mayUse: () => Promise.resolve(true),
};

/** No rights, for a catalog without an actor: a caller that forgets to name the actor is refused. */
export const noRights: Permit = {
  may: () => Promise.resolve(false),
  demand: (action) =>
    Promise.reject(
      new HeadwaterError('forbidden', `the right to ${action} is needed, and the change has no identity`),
    ),
  maySee: () => Promise.resolve(false),
  mayUse: () => Promise.resolve(false),
};

/** Whether a pattern matches a name: `*` matches any characters, including slashes and colons, `?` one. */
export function matchesPattern(pattern: string, name: string): boolean {
  // Only the last star is ever gone back to, so that no pattern takes longer than their lengths multiplied.
  let [at, star, resume] = [0, -1, 0];
  for (let index = 0; index < name.length; ) {
    const sign = pattern[at];
    if (sign === '*') {
      star = at++;
      resume = index;
    } else if (sign !== undefined && (sign === '?' || sign === name[index])) {
      at++;
      index++;
    } else if (star >= 0) {
      at = star + 1;
      index = ++resume;
    } else {
      return false;
    }
  }
  return /^\**$/.test(pattern.slice(at));
}
