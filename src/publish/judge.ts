import { HeadwaterError } from '../errors.ts';
import type { Content } from '../image/content.ts';
import { describeViolation, type ImageRule } from '../image/image-rules.ts';
import { type Architecture, runsOn } from '../model/architecture.ts';
import type { JudgedFile } from './destination/destination.ts';

/** The action for each rule: images that break it are refused unless the action is `warn`. */
export type ImageRules = Partial<Record<ImageRule, 'refuse' | 'warn'>>;

/**
 * Applies the rules for members that point out of an image.
 * @returns a warning for each broken rule that is set to `warn`
 * @throws HeadwaterError `invalid` when the file breaks another rule
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
 * @throws HeadwaterError `invalid` when machines of that architecture cannot run them
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
