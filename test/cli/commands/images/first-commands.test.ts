import { expect, test } from 'vitest';
import { scratchDirectory } from '../../../support/catalog.ts';
import { headwater } from '../../command-line.ts';

test('concurrent first commands on a new data directory create one catalog', async () => {
  const directory = await scratchDirectory();
  const outcomes = await Promise.all(
    Array.from({ length: 6 }, (_, index) =>
      headwater(['token', 'create', `token-${index}`, '--data-dir', `${directory}/data`]),
    ),
  );
  for (const { code, stderr } of outcomes) expect({ code, stderr }).toMatchObject({ code: 0 });
});
