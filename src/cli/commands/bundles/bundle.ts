import type { Command } from 'commander';
import type { Output } from '../../view/output.ts';
import { addAcknowledge } from './bundle-acknowledge.ts';
import { addCreate } from './bundle-create.ts';
import { addImport, addPlan } from './bundle-import.ts';
import { addList } from './bundle-list.ts';
import { addInspect, addVerify } from './bundle-verify.ts';
import { addReceipt } from './receive/bundle-receipt.ts';
import { addWatch } from './receive/bundle-watch.ts';

export function addBundleCommand(program: Command, output: Output): void {
  const bundle = program
    .command('bundle')
    .summary('carry images to a site without a network')
    .description(
      'Write the images that a site without a network lacks as a signed bundle, check bundles, and import them at that site. A bundle is a directory of tar files that gpgv, sha256sum and tar can check without Headwater.',
    );
  addCreate(bundle, output);
  addInspect(bundle, output);
  addVerify(bundle, output);
  addPlan(bundle, output);
  addImport(bundle, output);
  addWatch(bundle, output);
  addReceipt(bundle, output);
  addAcknowledge(bundle, output);
  addList(bundle, output);
}
