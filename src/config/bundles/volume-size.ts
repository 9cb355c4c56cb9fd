import { parseSize } from '../quantities.ts';

/** Sizes by the media that limit them, in bytes. Files on FAT32 have less than 4 GiB. */
const mediaSizes = new Map([
  ['fat32', 4 * 2 ** 30 - 2 ** 20],
  ['dvd', 4_700_000_000],
  ['bd', 25_000_000_000],
]);

/** The values of a volume size, for messages. */
export const volumeSizesExpected = `expected ${[...mediaSizes.keys()].join(', ')}, or a size such as 2GiB`;

/** The bytes of a volume: of a medium by its name, or a size. @returns undefined for other text */
export function parseVolumeSize(text: string): number | undefined {
  return mediaSizes.get(text) ?? parseSize(text);
}
