import { bundleBody, runBody, tokenBody } from '../schemas.ts';
import {
  auditAnswer,
  clientsAnswer,
  mirrorAnswer,
  mirrorsAnswer,
  newTokenAnswer,
  runResultAnswer,
  scrubAnswer,
  storageAnswer,
  tokensAnswer,
} from './admin-answers.ts';
import type { Operation } from './openapi-operation.ts';

/** What administrators read and change: mirrors, tokens, clients, the blob store, the audit log. */
export const adminOperations: Record<string, Operation> = {
  'GET /mirrors': {
    summary:
      'The status of the mirrors: last run, last success and its age, next run, stale or not, and the age of the upstream.',
    action: 'admin',
    answers: { 200: { description: 'The mirrors.', body: mirrorsAnswer } },
  },
  'GET /mirrors/{mirror}': {
    summary: 'The status of a mirror, with its last runs.',
    action: 'admin',
    answers: { 200: { description: 'The mirror.', body: mirrorAnswer }, 404: 'Not found.' },
  },
  'POST /mirrors/{mirror}/runs': {
    summary: 'Starts a run of a mirror without waiting for it.',
    action: 'admin',
    body: runBody,
    answers: {
      202: { description: 'Started.', body: mirrorAnswer, headers: ['Location'] },
      404: 'Not found.',
      409: 'The mirror is already running, or is not enabled.',
      422: 'A field is invalid.',
    },
  },
  'POST /mirrors/{mirror}/bundle': {
    summary: 'Imports a bundle of another site, and waits for the end.',
    action: 'admin',
    query: { force: '`1`: accepts a bundle of another chain, and ignores `maxShrink`.' },
    bytes: true,
    answers: {
      200: { description: 'The result; `partial` if files are missing or damaged.', body: runResultAnswer },
      404: 'Not found.',
      409: 'The mirror is running, is not enabled or takes no bundles; the bundle is for another site or of another chain.',
      422: 'The body is not a bundle that is signed by the site.',
    },
  },
  'GET /tokens': {
    summary: 'The tokens, without their secrets.',
    action: 'admin',
    query: { all: '`true`: also those that were used to join, revoked or expired more than 30 days ago.' },
    answers: { 200: { description: 'The tokens.', body: tokensAnswer } },
  },
  'POST /tokens': {
    summary:
      'Creates a token. Its secret is shown only once. The secret of a join token is for `lxc remote add` and `incus remote add`.',
    action: 'admin',
    body: tokenBody,
    answers: {
      201: { description: 'The token and its secret.', body: newTokenAnswer },
      409: 'The name is taken.',
      422: 'A field is invalid.',
    },
  },
  'DELETE /tokens/{token}': {
    summary: 'Revokes a token.',
    action: 'admin',
    answers: { 204: 'Revoked.', 404: 'No such active token.' },
  },
  'GET /clients': {
    summary: 'The LXD and Incus clients that have joined, including revoked ones.',
    action: 'admin',
    answers: { 200: { description: 'The clients.', body: clientsAnswer } },
  },
  'DELETE /clients/{client}': {
    summary: 'Revokes a client.',
    action: 'admin',
    answers: { 204: 'Revoked.', 404: 'No such active client.', 409: 'Several clients have this name.' },
  },
  'GET /storage': {
    summary:
      'The state of the blob store: its owner, the blobs that are set aside, the reason if no blobs are removed, and the last scrub.',
    action: 'admin',
    answers: { 200: { description: 'The state.', body: storageAnswer } },
  },
  'GET /storage/scrub': {
    summary: 'The scrub that is running, with its progress, and the last one that was completed.',
    action: 'admin',
    answers: { 200: { description: 'The scrubs.', body: scrubAnswer } },
  },
  'POST /storage/scrub': {
    summary:
      'Begins a scrub without waiting for it: all stored blobs are read, and damaged ones are set aside. If a scrub is not finished yet, it continues, and no other one begins.',
    action: 'admin',
    answers: {
      202: { description: 'The scrub is `round`.', body: scrubAnswer },
      409: 'The catalog does not own the store, or blobs may not be set aside now for another reason.',
    },
  },
  'POST /bundles/{site}': {
    summary:
      'Answers with the next bundle for a site, as a tar stream. The bundle counts as sent only when the client has taken the whole answer; otherwise the next request gives the same bundle.',
    action: 'admin',
    body: bundleBody,
    answers: {
      200: { description: 'The stream, with its length.', type: 'application/x-tar' },
      404: 'No version is selected, or there is no bundle `again`.',
      409: 'Files of a version are not stored, or the server has no signing key.',
      422: 'A field is invalid, nothing fits into `maxSize`, or there is no receipt for `since`.',
    },
  },
  'GET /audit': {
    summary:
      'The audit log: each change with its author, address and time, newest first, one page at a time.',
    action: 'admin',
    query: {
      since: 'Only entries since this time.',
      who: 'Only changes by `token:NAME`, `client:NAME` or `local:USER`.',
      before: 'Only entries with a smaller id: `next` of the previous page.',
      limit: 'Entries on a page: 1 to 500.',
    },
    answers: {
      200: { description: 'A page, with `next` if there are more.', body: auditAnswer },
      422: 'A parameter is invalid.',
    },
  },
};
