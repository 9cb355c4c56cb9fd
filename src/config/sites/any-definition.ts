import type { MirrorDefinition } from '../mirror-schema.ts';
import type { SiteMirror } from './site-mirror-schema.ts';

/** A mirror that downloads from an upstream, or one whose versions come in bundles of another site. */
export type AnyDefinition = MirrorDefinition | SiteMirror;

/** Whether the versions of a mirror come in bundles. */
export function isSite(definition: AnyDefinition): definition is SiteMirror {
  return 'site' in definition;
}

/** Whether a mirror downloads from an upstream. */
export function isUpstream(definition: AnyDefinition): definition is MirrorDefinition {
  return !isSite(definition);
}
