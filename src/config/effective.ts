import { stringify } from 'yaml';
import { defined } from '../model/defined.ts';
import { writeDuration, writeSize } from './quantities.ts';
import type { Config, ConfigInput } from './schema.ts';

/** The configuration in the form of a file, without the keys of the store. */
export function effectiveSettings(config: Config): ConfigInput {
  const { storage } = config;
  return {
    listen: config.listen,
    ...defined({ publicUrl: config.publicUrl, site: config.site }),
    trustedProxies: config.trustedProxies,
    tls: config.tls,
    dataDir: config.dataDir,
    storage: storage.type === 's3' ? withoutCredentials(storage) : storage,
    mirrorDir: config.mirrorDir,
    bundleDir: config.bundleDir,
    streams: config.streams,
    signing: withoutPassphrase(config.signing),
    gracePeriod: writeDuration(config.gracePeriod),
    imageRules: config.imageRules,
    limits: {
      ...config.limits,
      uploadSize: writeSize(config.limits.uploadSize),
      sendTimeout: writeDuration(config.limits.sendTimeout),
      examinationMemory: writeSize(config.limits.examinationMemory),
      examinationTimeout: writeDuration(config.limits.examinationTimeout),
      unfinishedUploadAge: writeDuration(config.limits.unfinishedUploadAge),
      unfinishedUploadBytes: writeSize(config.limits.unfinishedUploadBytes),
    },
    collection: {
      keepRemoved: writeDuration(config.collection.keepRemoved),
      keepUnknown: writeDuration(config.collection.keepUnknown),
      share: config.collection.share,
    },
    scrub: { every: writeDuration(config.scrub.every), rate: writeSize(config.scrub.rate) },
    registry: withWrittenQuotas(config.registry),
    lxc: config.lxc,
    systemd: config.systemd,
    oci: config.oci,
    shutdownTimeout: writeDuration(config.shutdownTimeout),
    log: config.log,
  };
}

/** {@link effectiveSettings} as YAML. */
export function effectiveYaml(config: Config): string {
  return stringify(effectiveSettings(config)).trimEnd();
}

function withWrittenQuotas({ streamQuota, entryQuota, refreshEvery, ...settings }: Config['registry']) {
  return {
    ...settings,
    refreshEvery: writeDuration(refreshEvery),
    ...(streamQuota === undefined ? {} : { streamQuota: writeSize(streamQuota) }),
    ...(entryQuota === undefined ? {} : { entryQuota: writeSize(entryQuota) }),
  };
}

function withoutCredentials(storage: Extract<Config['storage'], { type: 's3' }>) {
  const { credentials: _, partSize, ...settings } = storage;
  return { ...settings, partSize: writeSize(partSize) };
}

function withoutPassphrase({ key, command, publicKey, optional, overlap }: Config['signing']) {
  return { ...defined({ key, command, publicKey }), optional, overlap: writeDuration(overlap) };
}
