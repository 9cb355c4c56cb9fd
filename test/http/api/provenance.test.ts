import { expect, test } from 'vitest';
import { provenanceAnswer } from '../../../src/http/api/openapi/provenance-answer.ts';
import { draft, sha256, stored } from '../../support/catalog.ts';
import { TestServer } from '../../support/server.ts';

const path = '/api/v1/products/debian:bookworm:amd64:default';

interface Answer {
  versions: { provenance?: Record<string, unknown> }[];
}

test('the origin of a version is told to its readers, without addresses and operators', async () => {
  const server = await TestServer.start({ tls: 'off', streams: { hidden: { public: false } } });
  const { catalog } = server.workspace;
  const document = await catalog.evidence.keep(
    {
      ...{ owner: 'mirror:hq', sha256: sha256('document'), blob: { digest: sha256('packed'), size: 10 } },
      ...{ mirror: 'debian', url: 'http://10.0.0.5', path: 'streams/v1/images.sjson', contentId: 'images' },
      ...{ signedBy: [{ fingerprint: 'AB', userId: 'Debian <a@example.com>' }], fetchedAt: new Date(1000) },
    },
    stored,
  );
  const bundle = { identity: sha256('7'), sequence: 7, site: 'hq', signer: 'CD', operator: 'local:root' };
  const evidence = { proof: 'upstream', document, servedBy: 'http://10.0.0.5', bundle } as const;
  for (const stream of ['images', 'hidden']) {
    await catalog.versions.publish(draft({ stream, owner: 'mirror:hq', evidence }), stored);
  }
  await catalog.versions.publish(draft({ os: 'local' }), stored);
  const ask = async (query: string, token?: string, at = path) => {
    const answer = await server.request(`${at}${query}`, {
      scheme: 'http',
      ...(token === undefined ? {} : { token }),
    });
    return { status: answer.status, body: answer.json() as Answer };
  };

  const seen = await ask('?provenance=1');
  const [told] = seen.body.versions.map(({ provenance }) => provenanceAnswer.parse(provenance));
  expect(told).toMatchObject({
    ...{ proof: 'upstream', mirror: 'hq', bundle: { sequence: 7, site: 'hq', signer: 'CD' } },
    document: { mirror: 'debian', path: 'streams/v1/images.sjson', signedBy: [{ fingerprint: 'AB' }] },
  });
  expect(JSON.stringify(seen.body)).not.toMatch(/10\.0\.0\.5|local:root/);
  expect((await ask('')).body.versions[0]).not.toHaveProperty('provenance');
  // As without provenance, a stream that is not public does not exist for strangers.
  expect((await ask('?provenance=1&stream=hidden')).status).toBe(404);
  expect((await ask('?provenance=2')).status).toBe(422);

  const admin = await server.token(['admin']);
  const [whole] = (await ask('?provenance=1&stream=hidden', admin)).body.versions;
  expect(whole?.provenance).toMatchObject({
    ...{
      servedBy: 'http://10.0.0.5',
      document: { url: 'http://10.0.0.5' },
      bundle: { operator: 'local:root' },
    },
  });
  const local = await ask('?provenance=1', undefined, path.replace('debian', 'local'));
  expect(local.body.versions[0]?.provenance).toEqual({ proof: 'none' });
});
