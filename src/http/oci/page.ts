import type { Context } from '../context.ts';
import { OciError } from './errors.ts';

/**
 * A page of a sorted list, as `?n=` and `?last=` ask for it, with the header `Link` where more follows (Distribution
 * Specification 1.1, "Listing Tags").
 * @throws OciError `usage` if `n` is not a number
 */
export function pageOf(context: Context, items: readonly string[]): string[] {
  const n = [context.query['n'] ?? []].flat()[0];
  const last = [context.query['last'] ?? []].flat()[0];
  const rest = last === undefined ? [...items] : items.filter((item) => item > last);
  if (n === undefined) return rest;
  if (!/^\d{1,9}$/.test(n)) {
    throw new OciError('usage', 'UNSUPPORTED', `n ${JSON.stringify(n)}: expected a number of entries`);
  }
  const page = rest.slice(0, Number(n));
  const end = page.at(-1);
  if (end !== undefined && page.length < rest.length) {
    context.set('Link', `<${context.path}?n=${n}&last=${encodeURIComponent(end)}>; rel="next"`);
  }
  return page;
}
