import { single } from '../../api/query.ts';
import type { Context } from '../../context.ts';

/** Whether a list is wanted with its entries rather than their paths: any whole number but zero, as in LXD. */
export function isRecursive(context: Context): boolean {
  const text = single(context, 'recursion') ?? '';
  return /^[+-]?\d+$/.test(text) && Number(text) !== 0;
}
