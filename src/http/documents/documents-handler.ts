import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Access, Identity } from '../../access/access.ts';
import type { Documents } from '../../simplestreams/write/documents.ts';
import type { Document } from '../../simplestreams/write/gzip-segment.ts';
import { sendDocument } from './send-document.ts';

const streamTarget = /^streams\/v1\/([^/]+)\.json$/;
/** Every form of a document: plain, clear-signed, and the detached signature of the plain one. */
const target = /^streams\/v1\/([^/]+)\.(json|sjson|json\.gpg)$/;
/** The name that no stream may have. */
const index = 'index';

/** The signed forms of the documents. */
export interface SignedForms {
  /** The detached signature of a document. @throws HeadwaterError if signing fails */
  detached(document: Document): Promise<Document>;
  /** The same for checksums, of which there are many: products documents do not wait for them. */
  detachedChecksums(document: Document): Promise<Document>;
  /** The clear-signed products document of a stream, or undefined. */
  stream(name: string): Document | undefined;
  /** The clear-signed index of the streams that a client may see. @throws HeadwaterError if signing fails */
  index(visible: (stream: string) => boolean): Promise<Document>;
}

/** Finds and sends the documents. */
export class DocumentsHandler {
  readonly #documents: Documents;
  readonly #access: Access;
  readonly #signed: SignedForms | undefined;

  /** @param signed undefined for a server that does not sign */
  constructor(documents: Documents, access: Access, signed?: SignedForms) {
    this.#documents = documents;
    this.#access = access;
    this.#signed = signed;
  }

  /**
   * The document at a path, as far as the client may see it; undefined where there is none. A document is always served
   * completely, so those whose rights are for some names only read none that is not public. The signed forms follow the
   * same rights.
   * @throws HeadwaterError if signing fails
   */
  async find(path: string, identity: Identity): Promise<Document | undefined> {
    const [, name, form] = target.exec(path) ?? [];
    if (name === undefined || (form !== 'json' && this.#signed === undefined)) return undefined;
    const visible = (stream: string) => this.#access.mayRead(identity, { stream, names: [] });
    if (name !== index && !visible(name)) return undefined;
    if (form === 'sjson') {
      return name === index ? await this.#signed?.index(visible) : this.#signed?.stream(name);
    }
    const document = name === index ? await this.#documents.index(visible) : this.#documents.stream(name);
    if (document === undefined || form === 'json') return document;
    return await this.#signed?.detached(document);
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
