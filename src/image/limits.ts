// What a hostile file may cost. None of these is near what real images need.

const mebibyte = 1024 * 1024;

/** Bytes of metadata.yaml at most. Real ones have a few KiB. */
export const metadataYamlLimit = mebibyte;

/** Bytes that a metadata tarball unpacks to at most: metadata.yaml and its templates. */
export const metadataTarballLimit = 64 * mebibyte;

/** Bytes that any archive may unpack to, however small it is. */
export const unpackedLimit = 4096 * mebibyte;

/** Times its own size that an archive larger than that may unpack to. A root filesystem has 3 to 6. */
export const unpackedRatioLimit = 400;

/**
 * How far back zstd data may refer, as a binary logarithm of bytes: as much memory that costs. 128 MiB is what
 * `zstd --ultra -22` needs, and what zstd itself, and with it the daemons, grants without being asked.
 */
export const zstdWindowLog = 27;
