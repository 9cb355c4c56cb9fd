import { expect, test } from 'vitest';
import { acceptsGzip } from '../../src/http/documents/send-document.ts';

test.each(['gzip', 'deflate, gzip', 'gzip;q=0.5', 'br;q=1.0, gzip; q=0.8, *;q=0.1', '*', 'GZIP', 'x-gzip'])(
  '%s takes gzip',
  (header) => {
    expect(acceptsGzip(header)).toBe(true);
  },
);

test.each([undefined, '', 'identity', 'gzip;q=0', 'gzip; q=0.000', '*;q=0', 'br, deflate', 'gzip;q=0, *'])(
  '%s does not take gzip',
  (header) => {
    expect(acceptsGzip(header)).toBe(false);
  },
);
