import type { ReceiptToTake } from '../../../bundle/receipt/acknowledge.ts';
import type { Catalog } from '../../../catalog/catalog.ts';
import type { Config } from '../../../config/schema.ts';
import { HeadwaterError } from '../../../errors.ts';

/**
 * Opens a receipt and compares it with the ledger.
 * @param options.site the site that must have written it
 * @param options.keyring the file with the public key of the site; that of its definition if undefined
 * @throws HeadwaterError `usage` without a keyring; `invalid` if another key or site wrote it
 */
export async function openReceipt(
  file: string,
  { keyring, site }: { keyring?: string | undefined; site?: string },
  { catalog, config }: { catalog: Catalog; config: Config },
): Promise<ReceiptToTake> {
  const { readSmall } = await import('../../../bundle/verify/open-bundle.ts');
  const { maxReceiptSize, parseReceipt } = await import('../../../bundle/receipt/receipt.ts');
  const { checkReceipt } = await import('../../../bundle/receipt/acknowledge.ts');
  const { Verifier, withoutSignature } = await import('../../../keys/verifier.ts');
  const bytes = await readSmall(file, maxReceiptSize);
  // Only the choice of the keyring depends on a text whose signature was not checked yet.
  const named = site ?? parseReceipt(withoutSignature(bytes.toString()), file).site;
  const pinned = keyring ?? (await keyringOf(named, config));
  const { text } = await (await Verifier.open(pinned)).clearSigned(bytes, file);
  const receipt = parseReceipt(text, file);
  if (receipt.site !== named) {
    throw new HeadwaterError('invalid', `${file}: is a receipt of ${receipt.site}, not of ${named}`);
  }
  return await checkReceipt(receipt, `a key of ${pinned}`, catalog);
}

async function keyringOf(site: string, { bundleDir }: Config): Promise<string> {
  const { loadSites } = await import('../../../config/bundles/site-definitions.ts');
  const keyring = loadSites(bundleDir).get(site)?.receiptKeyring;
  if (keyring !== undefined) return keyring;
  throw new HeadwaterError(
    'usage',
    `missing --keyring: name the file with the public key of ${site}, or set receiptKeyring in ${bundleDir}/${site}.yaml`,
  );
}
