import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import type { Config } from '../../../config/schema.ts';
import type { AnyDefinition } from '../../../config/sites/any-definition.ts';
import { messageOf } from '../../../errors.ts';
import { catalogFileOf } from '../../../server/catalog-file.ts';
import { localConfig } from '../../backend/open-backend.ts';
import { wantsJson } from '../../global-options.ts';
import { addExamples, collect } from '../../help.ts';
import { readMirrors } from '../../read-mirrors.ts';
import type { Output } from '../../view/output.ts';

export function addConfigCommand(program: Command, output: Output): void {
  const config = program
    .command('config')
    .summary('check the configuration')
    .description('Check the configuration.');
  const check = config
    .command('check')
    .summary('check the configuration and print the effective one')
    .description(
      'Check the configuration and print the effective one as a valid file. Flags override the environment (HEADWATER_…), the environment overrides the file, and the file overrides the defaults. The command also checks the files of the certificate, the signing key and its passphrase, the definitions of mirrors and of sites that bundles are written for, the keyrings of these sites, and the keyring and authorities of each enabled mirror. It warns of mirrors that have versions in the catalog but no definition. It does not check the blob store.',
    )
    .option('--set <key=value>', 'a setting, such as listen.port=9443 (repeatable)', collect)
    .action(async (options: { set?: string[] }) => {
      const { config: effective, file } = await localConfig(check, options.set ?? []);
      const { effectiveSettings, effectiveYaml } = await import('../../../config/effective.ts');
      if (typeof effective.tls === 'object') {
        const { readCertificate } = await import('../../../http/connection/self-signed.ts');
        await readCertificate(effective.tls);
      }
      const mirrors = await readMirrors(effective);
      const { loadSites } = await import('../../../config/bundles/site-definitions.ts');
      const definitions = loadSites(effective.bundleDir);
      const sites = [...definitions.keys()];
      await checkReceiptKeyrings([...definitions.values()]);
      const enabled = mirrors.filter((definition) => definition.enabled);
      await checkNamedFiles(enabled);
      const signingKey = await checkSigning(effective, output);
      const names = enabled.map(({ name }) => name);
      if (wantsJson(check)) {
        const settings = effectiveSettings(effective);
        output.json({
          ...{ file: file ?? null, settings, mirrors: names, sites },
          signingKey: signingKey ?? null,
        });
      } else {
        output.note(
          file === undefined
            ? 'No configuration file: these are the defaults, the environment and the flags.'
            : `${file} is valid.`,
        );
        if (mirrors.length > 0) {
          output.note(
            `${mirrors.length} mirrors are defined in ${effective.mirrorDir}; enabled: ${names.join(', ') || 'none'}.`,
          );
        }
        if (sites.length > 0) output.note(`Bundles are defined for the sites ${sites.join(', ')}.`);
        output.note(
          signingKey === undefined
            ? 'The documents are not signed.'
            : `The OpenPGP key ${signingKey} signs the documents.`,
        );
        output.line(effectiveYaml(effective));
      }
      await warnOfOrphans(effective, mirrors, output);
    });
  addExamples(check, [
    'headwater config check',
    'headwater config check --config /etc/headwater/headwater.yaml',
    'HEADWATER_LISTEN_PORT=9443 headwater config check --json',
  ]);
}

/** @throws HeadwaterError `invalid`, naming a keyring of a site that cannot be read */
async function checkReceiptKeyrings(sites: readonly { receiptKeyring?: string }[]): Promise<void> {
  const { Verifier } = await import('../../../keys/verifier.ts');
  for (const { receiptKeyring } of sites)
    if (receiptKeyring !== undefined) await Verifier.open(receiptKeyring);
}

/**
 * Reads the signing key with its passphrase, as a server does; a program that signs is not run.
 * @returns the fingerprint of the key that signs; undefined when nothing is signed
 * @throws HeadwaterError when the key or its passphrase is missing or wrong, unless `signing.optional` allows that
 */
async function checkSigning(config: Config, output: Output): Promise<string | undefined> {
  const { signingSettings } = await import('../../../config/signing.ts');
  const settings = signingSettings(config);
  if (settings === undefined) return undefined;
  try {
    const [{ SigningKeys }, { openSigner }, { expiryWarning }] = await Promise.all([
      import('../../../keys/signing-keys.ts'),
      import('../../../keys/open-signer.ts'),
      import('../../../keys/expiry.ts'),
    ]);
    const keys = await SigningKeys.open(settings);
    for (const warning of [await keys.exposure(), expiryWarning(keys.signing.expiresAt)?.text]) {
      if (warning !== undefined) output.warning(warning);
    }
    await openSigner(keys.source);
    return keys.signing.fingerprint;
  } catch (error) {
    if (!config.signing.optional) throw error;
    output.warning(`the documents are not signed: ${messageOf(error)}`);
    return undefined;
  }
}

/** Warns of mirrors that the catalog, if it exists, has versions of, and that have no definition. */
async function warnOfOrphans(
  config: Config,
  definitions: readonly AnyDefinition[],
  output: Output,
): Promise<void> {
  const file = catalogFileOf(config);
  if (!existsSync(file)) return;
  const [{ Catalog }, { describeOrphan, orphanedMirrors }] = await Promise.all([
    import('../../../catalog/catalog.ts'),
    import('../../../mirror/run/orphans.ts'),
  ]);
  try {
    const catalog = await Catalog.open(file);
    try {
      for (const orphan of await orphanedMirrors(definitions, { catalog })) {
        output.warning(describeOrphan(orphan, config.mirrorDir));
      }
    } finally {
      await catalog.close();
    }
  } catch (error) {
    // The configuration is valid nevertheless.
    output.warning(`mirrors without a definition could not be checked: ${messageOf(error)}`);
  }
}

/** @throws HeadwaterError `invalid`, with a line for every file of a mirror that is missing or invalid */
async function checkNamedFiles(definitions: readonly AnyDefinition[]): Promise<void> {
  const { problemsOfNamedFiles } = await import('../../../mirror/upstream/key-files.ts');
  const problems = (await Promise.all(definitions.map(problemsOfNamedFiles))).flat();
  if (problems.length === 0) return;
  const { invalid } = await import('../../../config/issues.ts');
  throw invalid(problems);
}
