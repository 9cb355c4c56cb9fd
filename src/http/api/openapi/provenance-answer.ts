import * as z from 'zod';
import type { ToldProvenance } from '../../../access/told-provenance.ts';
import { proofs } from '../../../model/evidence.ts';
import { sha256, time } from './answer-fields.ts';

const text = z.string();
const forAdministrators = (description: string) =>
  text.exactOptional().meta({ description: `${description} Shown only to administrators.` });

const document = z.strictObject({
  sha256: sha256.meta({ description: 'Of the document as the upstream served it.' }),
  detached: z.boolean().meta({ description: 'Whether its signature is a file of its own.' }),
  mirror: text.meta({ description: 'The mirror that fetched it, perhaps at another site.' }),
  url: forAdministrators('The address of the upstream.'),
  path: text,
  contentId: text,
  updated: time.exactOptional().meta({ description: 'The time of its last change, as it says.' }),
  signedAt: time.exactOptional(),
  signedBy: z
    .array(z.strictObject({ fingerprint: text, userId: text.exactOptional() }))
    .meta({ description: 'The keys of its good signatures; empty if signatures were not checked.' }),
  fetchedAt: time,
});

const bundle = z.strictObject({
  identity: sha256.meta({ description: 'The SHA-256 of its manifest.' }),
  sequence: z.int(),
  site: text,
  signer: text.exactOptional().meta({ description: 'The fingerprint of the key that signed it.' }),
  operator: forAdministrators('The identity that imported it.'),
});

export const provenanceAnswer = z.strictObject({
  proof: z.enum(proofs).meta({
    description:
      'What proves the origin of the files: a document that the upstream signed, the signature of a site, or nothing.',
  }),
  mirror: text.exactOptional().meta({ description: 'Absent if the version was published here.' }),
  upstreamName: text.exactOptional().meta({ description: 'The name of the version at the upstream.' }),
  upstreamProduct: text.exactOptional().meta({ description: 'The name of the product at the upstream.' }),
  servedBy: forAdministrators('The address that the bytes came from.'),
  recordedAt: time.exactOptional().meta({ description: 'When this was recorded.' }),
  document: document.exactOptional().meta({ description: 'The kept document that lists the version.' }),
  bundle: bundle.exactOptional().meta({ description: 'The bundle that brought the version.' }),
}) satisfies z.ZodType<ToldProvenance>;
