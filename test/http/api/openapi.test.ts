import { expect, test } from 'vitest';
import { describeApi } from '../../../src/http/api/openapi/openapi.ts';
import { createApi } from '../../../src/http/api/router.ts';
import type { ApiServices } from '../../../src/http/api/services.ts';

test('the OpenAPI document describes every route, and no other', () => {
  const router = createApi({} as ApiServices);
  const routes = router.stack.flatMap((layer) =>
    layer.methods
      // A router answers HEAD wherever there is a GET.
      .filter((method) => method !== 'HEAD' || !layer.methods.includes('GET'))
      // The rest of a path is a parameter as others are.
      .map((method) => `${method} ${String(layer.path).replace('/*', '/:')}`),
  );
  const { paths, servers } = describeApi();
  const described = Object.entries(paths).flatMap(([path, entry]) =>
    Object.keys(entry).map(
      (method) => `${method.toUpperCase()} ${servers[0]?.url}${path.replaceAll(/\{(\w+)\}/g, ':$1')}`,
    ),
  );
  expect(described.sort()).toEqual(routes.sort());
});

test('every parameter in a path is described', () => {
  for (const [path, entry] of Object.entries(describeApi().paths)) {
    const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    for (const operation of Object.values(entry) as {
      parameters: { name: string; in: string; description: string }[];
    }[]) {
      const inPath = operation.parameters.filter((parameter) => parameter.in === 'path');
      expect(inPath.map(({ name }) => name)).toEqual(names);
      for (const { description } of inPath) expect(description).not.toBe('');
    }
  }
});
