import { describe, expect, it } from 'vitest';
import { kernelName, parseArchitecture } from '../../src/model/architecture.ts';

describe('architecture names', () => {
  it.each([
    ['amd64', 'x86_64'],
    ['i386', 'i686'],
    ['arm64', 'aarch64'],
    ['armhf', 'armv7l'],
    ['ppc64el', 'ppc64le'],
    ['s390x', 's390x'],
    ['riscv64', 'riscv64'],
    ['loong64', 'loongarch64'],
  ] as const)('%s is %s', (debian, kernel) => {
    expect(kernelName(debian)).toBe(kernel);
    expect(parseArchitecture(kernel)).toBe(debian);
    expect(parseArchitecture(debian.toUpperCase())).toBe(debian);
  });

  it('that nobody knows are refused with those that are', () => {
    expect(() => parseArchitecture('vax')).toThrow(/^architecture "vax" is not known: use one of amd64, /);
    expect(() => parseArchitecture('constructor')).toThrow('not known');
  });
});
