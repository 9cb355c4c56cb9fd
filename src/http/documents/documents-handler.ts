import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Access, Identity } from '../../access/access.ts';
import type { Documents } from '../../simplestreams/write/documents.ts';
import type { Document } from '../../simplestreams/write/gzip-segment.ts';
import { indexPath } from '../../simplestreams/write/paths.ts';
import { sendDocument } from './send-document.ts';

const streamTarget = /^streams\/v1\/([^/]+)\.json$/;

/** Finds and sends the documents. */
export class DocumentsHandler {
  readonly #documents: Documents;
  readonly #access: Access;

  constructor(documents: Documents, access: Access) {
    this.#documents = documents;
    this.#access = access;
  }

  /**
   * The document at a path, as far as the client may see it; undefined where there is none. A document is read whole, so
   * those whose rights are for some names only read none that is not public.
   */
  async find(path: string, identity: Identity): Promise<Document | undefined> {
    if (path === indexPath) {
      return await this.#documents.index((stream) => this.#access.mayRead(identity, { stream, names: [] }));
    }
    const stream = streamTarget.exec(path)?.[1];
    if (stream === undefined || !this.#access.mayRead(identity, { stream, names: [] })) return undefined;
    return this.#documents.stream(stream);
  }

  /**
   * Answers the commonest request, an anonymous GET or HEAD of a public products document, at once and without
   * anything in between: hosts ask for it in crowds, each over a new connection.
   * @param id the request's id
   * @returns the bytes of the body, or undefined when it is another request
   */
  answerAtOnce(request: IncomingMessage, response: ServerResponse, id: string): number | undefined {
    const { method, url = '', headers } = request;
    if ((method !== 'GET' && method !== 'HEAD') || headers.authorization !== undefined) return undefined;
    const stream = url.startsWith('/') ? streamTarget.exec(url.slice(1))?.[1] : undefined;
    if (stream === undefined || !this.#access.isPublic(stream)) return undefined;
    const document = this.#documents.stream(stream);
    return document === undefined
      ? undefined
      : sendDocument(request, response, document, { shared: true, id });
  }
}
