import { HeadwaterError } from '../errors.ts';
import type { Content } from '../image/content.ts';
import { describeViolation, type ImageRule } from '../image/image-rules.ts';
import { type Architecture, runsOn } from '../model/architecture.ts';
import type { JudgedFile } from './destination/destination.ts';

/** What becomes of images that break a rule: they are refused unless it says otherwise. */
export type ImageRules = Partial<Record<ImageRule, 'refuse' | 'warn'>>;

/**
 * Judges a file by the rules for what leads out of an image.
 * @returns in words which rules it breaks that only warn
 * @throws HeadwaterError `invalid` where it breaks another
 */
export function judgeMembers({ name, content }: JudgedFile, rules: ImageRules): string[] {
  const violations = 'violations' in content ? (content.violations ?? []) : [];
  const refused = violations.find(({ rule }) => rules[rule] !== 'warn');
  if (refused !== undefined) {
    throw new HeadwaterError(
      'invalid',
      `${name}: ${describeViolation(refused)}. Build the image without it; to accept such images, set imageRules: {${refused.rule}: warn}`,
    );
  }
  return violations.map((violation) => `${name}: ${describeViolation(violation)}`);
}

/**
 * Compares the architecture in metadata.yaml with the programs of the root.
 * @throws HeadwaterError `invalid` where no machine of that architecture runs them
 */
export function assertPrograms(architecture: Architecture, { name, content }: JudgedFile): void {
  const programs = programsOf(content);
  if (programs === undefined || runsOn(programs, architecture)) return;
  throw new HeadwaterError(
    'invalid',
    `${name}: its programs are for ${programs}, but metadata.yaml says architecture: ${architecture}. Correct metadata.yaml, or publish the root of that architecture`,
  );
}

function programsOf(content: Content): Architecture | undefined {
  if (content.kind === 'rootfs-tarball') return content.found.architecture;
  return 'programs' in content ? content.programs : undefined;
}
