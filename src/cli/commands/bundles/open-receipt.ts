import type { ReceiptToTake } from '../../../bundle/receipt/acknowledge.ts';
import type { Catalog } from '../../../catalog/catalog.ts';
import { HeadwaterError } from '../../../errors.ts';

/**
 * Opens a receipt and compares it with the ledger.
 * @param options.site the site that must have written it
 * @param options.keyring the file with the public key of the site
 * @throws HeadwaterError `usage` without a keyring; `invalid` if another key or site wrote it
 */
export async function openReceipt(
  file: string,
  { keyring, site }: { keyring: string | undefined; site?: string },
  catalog: Catalog,
): Promise<ReceiptToTake> {
  if (keyring === undefined) {
    throw new HeadwaterError(
      'usage',
      'missing --keyring: name the file with the public key of the site that wrote the receipt',
    );
  }
  const { readSmall } = await import('../../../bundle/verify/open-bundle.ts');
  const { maxReceiptSize, parseReceipt } = await import('../../../bundle/receipt/receipt.ts');
  const { checkReceipt } = await import('../../../bundle/receipt/acknowledge.ts');
  const { Verifier } = await import('../../../keys/verifier.ts');
  const verifier = await Verifier.open(keyring);
  const { text } = await verifier.clearSigned(await readSmall(file, maxReceiptSize), file);
  const receipt = parseReceipt(text, file);
  if (site !== undefined && receipt.site !== site) {
    throw new HeadwaterError('invalid', `${file}: is a receipt of ${receipt.site}, not of ${site}`);
  }
  return await checkReceipt(receipt, `a key of ${keyring}`, catalog);
}
