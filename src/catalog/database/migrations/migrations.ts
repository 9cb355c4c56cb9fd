import type { Migration } from 'kysely';
import { initial } from './v0.1/0001-initial.ts';
import { mirrors } from './v0.1/0002-mirrors.ts';
import { sources } from './v0.1/0003-sources.ts';
import { clients } from './v0.1/0010-clients.ts';
import { pushed } from './v0.1/0011-pushed.ts';
import { updateSources } from './v0.1/0012-update-sources.ts';
import { storage } from './v0.2/0020-storage.ts';
import { blobUploads } from './v0.2/0030-blob-uploads.ts';
import { upstreamNames } from './v0.2/0050-upstream-names.ts';
import { publishedBy } from './v0.2/0060-published-by.ts';
import { productsOfStreams } from './v0.2/0070-products-of-streams.ts';
import { acceptedDocuments } from './v0.2/0080-accepted-documents.ts';
import { computedFingerprints } from './v0.2/0090-computed-fingerprints.ts';
import { bundles } from './v0.2/0100-bundles.ts';
import { documentTimes } from './v0.2/0101-document-times.ts';
import { evidence } from './v0.2/0110-evidence.ts';
import { scrubs } from './v0.2/0115-scrubs.ts';
import { receivedBundles } from './v0.2/0120-received-bundles.ts';
import { withdrawnVersions } from './v0.2/0125-withdrawn-versions.ts';
import { receipts } from './v0.2/0130-receipts.ts';
import { generatedFiles } from './v0.2/0140-generated-files.ts';
import { secrets } from './v0.2/0150-secrets.ts';
import { manifests } from './v0.2/0151-manifests.ts';

/**
 * Every change of the schema, in order, in a folder for each release. A released one is never edited: a new one follows it.
 */
export const migrations: Record<string, Migration> = {
  '0001_initial': { up: initial },
  '0002_mirrors': { up: mirrors },
  '0003_sources': { up: sources },
  '0010_clients': { up: clients },
  '0011_pushed': { up: pushed },
  '0012_update_sources': { up: updateSources },
  '0020_storage': { up: storage },
  '0030_blob_uploads': { up: blobUploads },
  '0050_upstream_names': { up: upstreamNames },
  '0060_published_by': { up: publishedBy },
  '0070_products_of_streams': { up: productsOfStreams },
  '0080_accepted_documents': { up: acceptedDocuments },
  '0090_computed_fingerprints': { up: computedFingerprints },
  '0100_bundles': { up: bundles },
  '0101_document_times': { up: documentTimes },
  '0110_evidence': { up: evidence },
  '0115_scrubs': { up: scrubs },
  '0120_received_bundles': { up: receivedBundles },
  '0125_withdrawn_versions': { up: withdrawnVersions },
  '0130_receipts': { up: receipts },
  '0140_generated_files': { up: generatedFiles },
  '0150_secrets': { up: secrets },
  '0151_manifests': { up: manifests },
};
