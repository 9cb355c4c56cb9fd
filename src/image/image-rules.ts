import { keysOf } from '../model/keys-of.ts';

// Rules against members that point out of the image on the host of the daemon that unpacks it.

/** The rules that a setting can turn into warnings, with their explanations. */
const rules = {
  'templates-link': {
    says: 'daemons would read templates from elsewhere on their host',
    advisory: 'CVE-2026-48752',
  },
  'rootfs-link': {
    says: 'daemons would use another directory of their host as the root',
    advisory: 'CVE-2026-48749',
  },
  'exec-output-link': {
    says: 'daemons would write the output of commands elsewhere on their host',
    advisory: 'CVE-2026-48750',
  },
  'outside-link': { says: 'daemons would follow it on their host', advisory: undefined },
  'outside-device': { says: 'only the root filesystem may have devices', advisory: undefined },
  'outside-name': { says: 'it would be unpacked outside of the image', advisory: undefined },
  'behind-link': { says: 'it would be unpacked where the link points', advisory: undefined },
  'template-path': { says: 'daemons would read it from elsewhere on their host', advisory: 'CVE-2026-48752' },
  'template-target': { says: 'daemons would write it elsewhere on their host', advisory: undefined },
} as const;

export type ImageRule = keyof typeof rules;

/** All rules, as the setting `imageRules` names them. */
export const imageRules = keysOf(rules);

/** A rule that an image breaks. */
export interface Violation {
  rule: ImageRule;
  /** The member and its fault, as text. */
  what: string;
}

/** A violation as text, with the name of the rule and its advisory. */
export function describeViolation({ rule, what }: Violation): string {
  const { says, advisory } = rules[rule];
  return `${what}: ${says} (rule ${rule}${advisory === undefined ? '' : `, ${advisory}`})`;
}

/** Characters of a name that messages show. */
const shownLength = 120;

/** The name of a member in messages. */
export function shown(name: string): string {
  return JSON.stringify(name.length > shownLength ? `${name.slice(0, shownLength)}…` : name);
}
