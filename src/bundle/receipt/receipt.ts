import { HeadwaterError, jsonProblem } from '../../errors.ts';
import { type Receipt, receiptFormat, receiptSchema } from './receipt-schema.ts';

/** Bytes of a receipt: about 200,000 blobs. */
export const maxReceiptSize = 16 * 1024 * 1024;

/** What a receipt states. */
export type ReceiptContent = Omit<Receipt, 'format'>;

/** The text to be clear-signed: ASCII, one digest on a line. */
export function renderReceipt({ missing, held, ...content }: ReceiptContent): string {
  const receipt: Receipt = {
    format: receiptFormat,
    ...content,
    missing: missing.toSorted(),
    held: held.toSorted(),
  };
  return `${JSON.stringify(receipt, null, 1)}\n`;
}

/**
 * Reads a receipt whose signature was checked.
 * @param where the receipt in messages
 * @throws HeadwaterError `invalid`, naming the field; `unavailable` when only a newer Headwater can read it
 */
export function parseReceipt(text: string, where: string): Receipt {
  const wrong = (problem: string, cause?: unknown) =>
    new HeadwaterError('invalid', `${where}: ${problem}`, { cause });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw wrong(`is not JSON: ${jsonProblem(error)}`, error);
  }
  if (typeof value !== 'object' || value === null || !('format' in value)) throw wrong('is not a receipt');
  const { format } = value;
  if (typeof format === 'string' && /^headwater-receipt:\d+$/.test(format) && format !== receiptFormat) {
    throw new HeadwaterError(
      'unavailable',
      `${where}: has the format ${format}, and this Headwater reads ${receiptFormat}: install a newer version`,
    );
  }
  const result = receiptSchema.safeParse(value);
  if (!result.success) {
    const [issue] = result.error.issues;
    throw wrong(issue === undefined ? 'is not a receipt' : `${issue.path.join('.')}: ${issue.message}`);
  }
  const receipt = result.data;
  const digests = new Set([...receipt.missing, ...receipt.held]);
  if (digests.size < receipt.missing.length + receipt.held.length) throw wrong('lists a digest twice');
  if (receipt.last === null && digests.size > 0) throw wrong('lists digests and no bundle that had them');
  return receipt;
}
