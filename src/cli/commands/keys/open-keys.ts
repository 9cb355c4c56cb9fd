import { join } from 'node:path';
import type { Command } from 'commander';
import type { AuditEvent } from '../../../catalog/database/audit-record.ts';
import { parseDuration } from '../../../config/quantities.ts';
import type { Config } from '../../../config/schema.ts';
import { HeadwaterError, isKind } from '../../../errors.ts';
import type { SigningKeys } from '../../../keys/signing-keys.ts';
import { commandLineActor } from '../../backend/command-line-actor.ts';
import { localConfig } from '../../backend/open-backend.ts';

/**
 * The keys of the configuration, with which documents are signed.
 * @throws HeadwaterError `not-found`, with advice, when there are none
 */
export async function openKeys(command: Command): Promise<{ config: Config; keys: SigningKeys }> {
  const { config } = await localConfig(command, []);
  const { signingKeyFile } = await import('../../../config/signing.ts');
  const { SigningKeys: Keys } = await import('../../../keys/signing-keys.ts');
  const { command: program, publicKey, overlap } = config.signing;
  const key = program === undefined ? signingKeyFile(config) : undefined;
  try {
    return { config, keys: await Keys.open({ key, command: program, publicKey, overlap }) };
  } catch (error) {
    if (key === undefined || !isKind(error, 'not-found')) throw error;
    throw new HeadwaterError('not-found', `${error.message}. Create a key with "headwater key create"`, {
      cause: error,
    });
  }
}

/**
 * The key file that a command changes.
 * @throws HeadwaterError `conflict` when a program signs, whose keys are kept elsewhere
 */
export async function keyFileOf(command: Command): Promise<{ config: Config; path: string }> {
  const { config } = await localConfig(command, []);
  if (config.signing.command !== undefined) {
    throw new HeadwaterError(
      'conflict',
      'signing.command is set: create and rotate the key with the tools of that program, and update signing.publicKey',
    );
  }
  const { signingKeyFile } = await import('../../../config/signing.ts');
  return { config, path: signingKeyFile(config) };
}

/** Opens the audit log, runs `work`, and records it. */
export async function audited<Result extends { subject: string }>(
  config: Config,
  action: string,
  work: () => Promise<Result & Pick<AuditEvent, 'details'>>,
): Promise<Result> {
  const { Catalog } = await import('../../../catalog/catalog.ts');
  const catalog = await Catalog.open(join(config.dataDir, 'catalog.db'));
  try {
    const result = await work();
    const { subject, details } = result;
    await catalog
      .by(commandLineActor())
      .audit.note({ action, subject, ...(details === undefined ? {} : { details }) });
    return result;
  } finally {
    await catalog.close();
  }
}

/**
 * Parses `--expires`. @returns milliseconds
 * @throws HeadwaterError `usage`
 */
export function parseLifetime(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const lifetime = parseDuration(text);
  if (lifetime !== undefined && lifetime >= 1000) return lifetime;
  throw new HeadwaterError('usage', `--expires ${text}: expected a duration with its unit, such as 730d`);
}
