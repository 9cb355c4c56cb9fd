/** The names of the files in the directory of a bundle, beside its volumes. */
export const bundleFiles = {
  manifest: 'bundle.json',
  /** Detached, armored. */
  signature: 'bundle.json.asc',
  sums: 'SHA256SUMS',
  sumsSignature: 'SHA256SUMS.asc',
  readme: 'README.txt',
} as const;
