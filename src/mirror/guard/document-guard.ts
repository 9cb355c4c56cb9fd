import type { MirrorDefinition } from '../../config/mirror-schema.ts';
import { HeadwaterError, quotable } from '../../errors.ts';
import { defined } from '../../model/defined.ts';
import type { Untyped } from '../../simplestreams/read/fields.ts';
import type { Index, IndexEntry } from '../../simplestreams/read/index-document.ts';
import { readUpdated } from '../../simplestreams/read/updated.ts';
import type { DocumentState, IndexFilter, ReadDocument } from '../upstream/documents.ts';
import {
  type AcceptedDocument,
  type AcceptedDocuments,
  type DatedDocument,
  remembered,
  rollback,
  shownTime,
} from './accepted-documents.ts';

/** How far a clock may be ahead of this machine's before its dates are ignored, in milliseconds. */
const clockSkew = 3_600_000;

/** How many content ids a message names. */
const maxNamed = 5;

/** An upstream whose documents are guarded, and what messages say of it. */
export interface GuardedUpstream extends Pick<MirrorDefinition, 'file' | 'url' | 'contentId' | 'notBefore'> {
  /** `mirror ubuntu` */
  title: string;
  /** What an administrator does to accept what is refused: `run the mirror once with --force`. */
  accept: string;
}

/** The upstream of a mirror. */
export function guardedMirror({ name, file, url, contentId, notBefore }: MirrorDefinition): GuardedUpstream {
  return {
    ...{ title: `mirror ${name}`, accept: 'run the mirror once with --force', file, url },
    ...defined({ contentId, notBefore }),
  };
}

/** A fallback address serves older documents than those that were followed: it is not asked for documents. */
export class AddressBehind extends HeadwaterError {
  readonly base: string;

  constructor(base: string, message: string) {
    super('conflict', message);
    this.base = base;
  }
}

/** A document that is followed only because an administrator said so, and why it would not be. */
export interface ForcedDocument {
  path: string;
  problem: string;
}

/**
 * Keeps a mirror from going back: compares the documents of an upstream with those that the mirror followed before. One
 * guard judges the documents of one reading.
 */
export class DocumentGuard implements IndexFilter {
  /** Dates and documents that are ignored. */
  readonly warnings = new Set<string>();
  /** What was refused, and is followed because of `force`. */
  readonly forced: ForcedDocument[] = [];
  readonly #definition: GuardedUpstream;
  readonly #before: AcceptedDocuments;
  readonly #force: boolean;
  readonly #now: Date;
  #index: AcceptedDocument | undefined;
  readonly #followed = new Map<string, AcceptedDocument>();
  #contentIds: string[] | undefined;

  /**
   * @param before the documents that the mirror followed; undefined before its first run
   * @param options.force accept what the main address serves
   */
  constructor(
    definition: GuardedUpstream,
    before: AcceptedDocuments | undefined,
    { force, now = new Date() }: { force: boolean; now?: Date },
  ) {
    this.#definition = definition;
    this.#before = before ?? { documents: {} };
    this.#force = force;
    this.#now = now;
  }

  /** @throws as {@link check} */
  index(state: DocumentState, index: Index): Index {
    const followed = this.#entries(state, index);
    const found = this.#dated(state, index.updated);
    this.#index = remembered(state.path, found, this.#compared(state, found, this.#before.index));
    return { ...index, entries: followed };
  }

  /**
   * Judges a products document.
   * @returns to be called when it is followed: it is compared with from then on
   * @throws HeadwaterError `conflict` when it is not to be followed: {@link AddressBehind} from a fallback address
   */
  check(document: ReadDocument, fields: Untyped): () => void {
    const { contentId } = document.expected;
    const own = fields['content_id'] ?? contentId;
    if (own !== contentId) {
      this.#refuse(
        document,
        `it is ${quotable(String(own))}, and the index names it as ${quotable(contentId)}`,
      );
    }
    const found = this.#dated(document, fields['updated']);
    const before = this.#compared(document, found, this.#ofDocument(contentId));
    return () => this.#followed.set(contentId, remembered(document.path, found, before));
  }

  /**
   * What to remember of this reading.
   * @param options.withIndex whether the index is followed, too: every document agreed with it
   */
  accepted({ withIndex }: { withIndex: boolean }): AcceptedDocuments {
    const index = withIndex ? this.#index : this.#before.index;
    const contentIds = withIndex ? this.#contentIds : this.#before.contentIds;
    const documents = new Map([...Object.entries(this.#before.documents), ...this.#followed]);
    return { ...defined({ index, contentIds }), documents: Object.fromEntries(documents) };
  }

  /** The entries to follow: those that the definition names, or those that were followed before. */
  #entries(state: DocumentState, { entries }: Index): IndexEntry[] {
    const { contentId: pinned, file } = this.#definition;
    const offered = entries.map(({ contentId }) => contentId);
    const known = pinned ?? this.#before.contentIds ?? offered;
    this.#contentIds = known.length > 0 ? known : undefined;
    const strange = entries.filter(({ contentId }) => !known.includes(contentId));
    const missing = known.filter((id) => !offered.includes(id));
    if (pinned !== undefined) {
      if (missing.length > 0) {
        const problem = `it lacks ${listed(missing)}, which contentId names; it offers ${listed(offered)}`;
        this.#refuse(state, problem, `If the upstream is right, change contentId in ${file}`);
      }
      return entries.filter((entry) => !strange.includes(entry));
    }
    if (strange.length === 0) return entries;
    const strangers = listed(strange.map(({ contentId }) => contentId));
    if (missing.length > 0 || this.#force) {
      this.#refuse(state, `it offers ${strangers}; the accepted one had ${listed(known)}`);
      this.#contentIds = offered;
      return entries;
    }
    this.warnings.add(
      `${state.path}: ${strangers} is new and is not followed. To follow it, ${this.#definition.accept}, or name what to follow in contentId`,
    );
    return entries.filter((entry) => !strange.includes(entry));
  }

  #ofDocument(contentId: string): AcceptedDocument | undefined {
    return new Map(Object.entries(this.#before.documents)).get(contentId);
  }

  /** @returns what the document was compared with; undefined when that is not to be remembered */
  #compared(
    state: DocumentState,
    found: DatedDocument,
    before: AcceptedDocument | undefined,
  ): AcceptedDocument | undefined {
    this.#assertNotTooOld(state, found);
    const problem = before === undefined ? undefined : rollback(found, before);
    if (problem === undefined) return before;
    this.#refuse(state, `it is older than the one that was accepted: ${problem}`);
    return undefined;
  }

  /** @throws when it is older than the definition allows */
  #assertNotTooOld(state: DocumentState, { updated, signedAt, isAhead }: DatedDocument): void {
    const { notBefore, file } = this.#definition;
    const date = updated ?? signedAt;
    if (notBefore === undefined || isAhead === true || (date !== undefined && date >= notBefore)) return;
    const found = date === undefined ? 'it has no date that can be read' : `it is of ${shownTime(date)}`;
    const problem = `${found}, and notBefore is ${shownTime(notBefore)}`;
    this.#refuse(state, problem, `If the upstream is right, change notBefore in ${file}`);
  }

  /** @param advice how to accept it, where `force` does not. @throws unless it is forced */
  #refuse({ path, base }: DocumentState, problem: string, advice?: string): void {
    const { title, accept, url } = this.#definition;
    if (base !== url) throw new AddressBehind(base, `${base}/${path}: ${problem}`);
    if (!this.#force || advice !== undefined) {
      const next = advice ?? `If the upstream is right, ${accept}`;
      throw new HeadwaterError('conflict', `${title}: ${path}: ${problem}. Nothing was changed. ${next}`);
    }
    // An index may be read twice.
    if (!this.forced.some((known) => known.path === path && known.problem === problem)) {
      this.forced.push({ path, problem });
    }
  }

  #dated({ path, sha256, signedAt }: DocumentState, updatedField: unknown): DatedDocument {
    const updated = readUpdated(updatedField);
    const isAhead = updated !== undefined && updated.getTime() > this.#now.getTime() + clockSkew;
    if (isAhead) {
      this.warnings.add(
        `${path}: its date ${shownTime(updated)} is in the future and is ignored: check the clocks of the upstream and of this machine`,
      );
    }
    return {
      sha256,
      isAhead,
      ...defined({ updated: isAhead ? undefined : updated, signedAt }),
    };
  }
}

/** Content ids in a message: the first few. */
function listed(ids: readonly string[]): string {
  const more = ids.length > maxNamed ? ` and ${ids.length - maxNamed} more` : '';
  return ids.length === 0
    ? 'none'
    : ids
        .slice(0, maxNamed)
        .map((id) => quotable(id))
        .join(', ') + more;
}
