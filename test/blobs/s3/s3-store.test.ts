import { S3Store } from '../../../src/blobs/s3/s3-store.ts';
import { describeWithCeph } from '../../support/shared-ceph.ts';
import { describeStore } from '../store-suite.ts';
import { leftoversOf, s3Options } from './s3-fixture.ts';

describeWithCeph('on Ceph', (service) => {
  describeStore('S3 store', async () => {
    const options = s3Options(service());
    return {
      store: new S3Store(options),
      again: async () => {
        const again = new S3Store(options);
        await again.open({ create: false });
        return again;
      },
      leftovers: () => leftoversOf(service(), options),
      dispose: () => Promise.resolve(),
    };
  });
});
