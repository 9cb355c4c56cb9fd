import { HeadwaterError } from '../../errors.ts';
import type { CarriedBlob } from './manifest-schema.ts';
import { endSize, spaceOf } from './tar-header.ts';

/** Blobs that are larger than a volume are cut at multiples of this, in bytes. */
const pieceUnit = 1024 * 1024;

/** Where the blobs of a bundle are. */
export interface Layout {
  /** In the order of their bytes in the volumes. */
  carried: CarriedBlob[];
  volumeCount: number;
}

/** A blob for a bundle. */
export interface BlobToCarry {
  /** `sha256:` and 64 hexadecimal digits. */
  digest: string;
  /** Bytes. */
  size: number;
}

/**
 * Decides which volume carries which blob. The order of blobs stays. A blob is cut only when it does not fit into an empty
 * volume. Depends on the sizes alone, so that the same bundle is written in the same way every time.
 * @param limit bytes of a volume, tar headers included; Infinity for a stream
 * @param headSize bytes that each volume needs for what every volume has, as members
 * @param documentSize bytes that the first volume needs for documents
 * @throws HeadwaterError `usage` when a volume is too small for its head and a piece
 */
export function planLayout(
  blobs: readonly BlobToCarry[],
  limit: number,
  headSize: number,
  documentSize = 0,
): Layout {
  const capacity = limit - headSize - endSize;
  const needed = Math.max(spaceOf({ size: pieceUnit }), documentSize);
  if (capacity < needed) {
    const least = headSize + endSize + needed;
    throw new HeadwaterError(
      'usage',
      `--volume-size: a volume of this bundle needs at least ${least} bytes for its manifest, and for a piece of a blob or the documents of upstreams`,
    );
  }
  const carried: CarriedBlob[] = [];
  let volume = 1;
  let room = capacity - documentSize;
  for (const { digest, size } of blobs) {
    const space = spaceOf({ size });
    if (space > room && room < capacity && space <= capacity) {
      volume += 1;
      room = capacity;
    }
    if (space <= room) {
      carried.push({ digest, size, volume });
      room -= space;
      continue;
    }
    const pieces: NonNullable<CarriedBlob['pieces']> = [];
    for (let offset = 0; offset < size; ) {
      if (room < spaceOf({ size: Math.min(pieceUnit, size - offset) })) {
        volume += 1;
        room = capacity;
      }
      const whole = Math.floor((room - spaceOf({ size: 0 })) / pieceUnit) * pieceUnit;
      const pieceSize = spaceOf({ size: size - offset }) <= room ? size - offset : whole;
      pieces.push({ offset, size: pieceSize, volume });
      offset += pieceSize;
      room -= spaceOf({ size: pieceSize });
    }
    carried.push({ digest, size, pieces });
  }
  return { carried, volumeCount: volume };
}
