// What a hostile file may cost. None of these is near what real images need.

const mebibyte = 1024 * 1024;

/** Bytes of metadata.yaml at most. Real ones have a few KiB. */
export const metadataYamlLimit = mebibyte;

/** Bytes that a metadata tarball unpacks to at most: metadata.yaml and its templates. */
export const metadataTarballLimit = 64 * mebibyte;

/**
 * Bytes that an archive may unpack to: so many whatever its size, and so many times its size beyond that. A root
 * filesystem unpacks to 3 to 6 times its size, and one with a swap file of zeros to some hundred; deflate reaches 1032.
 */
export const unpackedFloor = 64 * mebibyte;
export const unpackedRatioLimit = 1000;

/**
 * How far back zstd data may refer, as a binary logarithm of bytes: as much memory that costs. 128 MiB is what
 * `zstd --ultra -22` needs, and what zstd itself, and with it the daemons, grants without being asked.
 */
export const zstdWindowLog = 27;

/** Bytes of the dictionary of xz data at most: what `xz -9` needs. */
export const xzDictionaryLimit = 64 * mebibyte;
