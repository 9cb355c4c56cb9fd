// Limits on the cost of a hostile file, far above the needs of real images.

const mebibyte = 1024 * 1024;

/** The largest metadata.yaml, in bytes. Real ones have a few KiB. */
export const metadataYamlLimit = mebibyte;

/** The largest unpacked metadata tarball, in bytes: metadata.yaml and its templates. */
export const metadataTarballLimit = 64 * mebibyte;

/**
 * The bytes that an archive may unpack to: the floor, plus its size times the ratio. A root filesystem unpacks to 3 to 6
 * times its size, and one with a swap file of zeros to some hundred; deflate reaches 1032.
 */
export const unpackedFloor = 64 * mebibyte;
export const unpackedRatioLimit = 1000;

/**
 * How far back zstd data may refer, as a binary logarithm of bytes: it costs as much memory. 128 MiB is what
 * `zstd --ultra -22` needs, and what zstd itself, and with it the daemons, grants without being asked.
 */
export const zstdWindowLog = 27;

/** The largest dictionary of xz data, in bytes: that of `xz -9`. */
export const xzDictionaryLimit = 64 * mebibyte;
