import { unwatchFile, watchFile } from 'node:fs';
import type { PrivateKey } from 'openpgp';
import { HeadwaterError } from '../errors.ts';
import { isReadableByAll, readKeyFile, readPublicKeys } from './key-file.ts';
import { factsOf, type KeyFacts, type PublishedKeys, publish, rolesOf } from './key-ring.ts';
import type { SignerSource } from './open-signer.ts';

/** The settings of signing: a key file, or a command with its public keys. */
export interface SigningSettings {
  key?: string | undefined;
  command?: readonly string[] | undefined;
  publicKey?: string | undefined;
  /** Milliseconds for which a key and its successor are published together before the successor signs. */
  overlap: number;
  passphrase?: string | undefined;
}

/** Intervals in milliseconds: checks of the file for changes, and of the roles of its keys. */
const fileInterval = 2000;
const roleInterval = 60_000;

/** The content of the key file. */
interface Content {
  facts: KeyFacts[];
  published: PublishedKeys;
  source: SignerSource;
}

/** The signing key of a server with its successor and predecessors, as the key file has them now. */
export class SigningKeys {
  /** The file with the keys. */
  readonly path: string;
  readonly #settings: SigningSettings;
  #content: Content;

  private constructor(path: string, settings: SigningSettings, content: Content) {
    this.path = path;
    this.#settings = settings;
    this.#content = content;
  }

  /**
   * Reads the keys. The passphrase is not checked.
   * @throws HeadwaterError `not-found` or `invalid`, naming the file
   */
  static async open(settings: SigningSettings): Promise<SigningKeys> {
    const path = settings.command === undefined ? settings.key : settings.publicKey;
    if (path === undefined) throw new Error('no file with the signing key');
    return new SigningKeys(path, settings, await read(path, settings));
  }

  /** All published keys. The key that signs comes first. */
  get facts(): readonly KeyFacts[] {
    return this.#content.facts;
  }

  /** The key that signs. */
  get signing(): KeyFacts {
    const [first] = this.#content.facts;
    if (first === undefined) throw new Error('a signing key file without a key');
    return first;
  }

  get published(): PublishedKeys {
    return this.#content.published;
  }

  get source(): SignerSource {
    return this.#content.source;
  }

  /** A warning if every user of this machine can read the private key; undefined otherwise. */
  async exposure(): Promise<string | undefined> {
    if (this.#settings.command !== undefined || !(await isReadableByAll(this.path))) return undefined;
    return `every user of this machine can read the signing key ${this.path}: run chmod 600`;
  }

  /**
   * Follows changes of the file, and the end of the overlap.
   * @param listeners.use starts to sign with another key; if it fails, the previous keys remain in use
   * @param listeners.onChanged called when other keys are published; `signs` is true if another key signs
   * @param listeners.onProblem called with the reason why a changed file is not used, and with undefined when the file is usable
   * @returns stops following
   */
  follow(listeners: {
    use: (source: SignerSource) => Promise<void>;
    onChanged: (change: { signs: boolean }) => void;
    onProblem: (error: unknown) => void;
  }): () => void {
    let hasFailed = false;
    const look = async () => {
      try {
        const content = await read(this.path, this.#settings);
        const old = this.#content;
        const signs = content.facts[0]?.fingerprint !== old.facts[0]?.fingerprint;
        if (signs) await listeners.use(content.source);
        this.#content = content;
        hasFailed = false;
        listeners.onProblem(undefined);
        if (signs || !content.published.binary.equals(old.published.binary)) listeners.onChanged({ signs });
      } catch (error) {
        hasFailed = true;
        listeners.onProblem(error);
      }
    };
    watchFile(this.path, { interval: fileInterval, persistent: false }, () => void look());
    const timer = setInterval(() => {
      const now = new Date();
      const isDue = this.facts.some(({ signsFrom }) => signsFrom !== undefined && signsFrom <= now);
      if (isDue || hasFailed) void look();
    }, roleInterval).unref();
    return () => {
      unwatchFile(this.path);
      clearInterval(timer);
    };
  }
}

async function read(path: string, settings: SigningSettings): Promise<Content> {
  const { command, overlap, passphrase } = settings;
  if (command !== undefined) {
    const keys = await readPublicKeys(path);
    // The command decides which key signs. The first key in the file is shown as the signing key.
    const published = await publish(keys);
    return {
      facts: await factsOf(keys, Number.POSITIVE_INFINITY),
      published,
      source: { type: 'command', command, publicKeys: published.binary },
    };
  }
  const keys = await readKeyFile(path);
  const [signing] = ordered(keys, overlap);
  if (signing === undefined) throw new HeadwaterError('invalid', `signing key ${path}: it contains no key`);
  return {
    facts: await factsOf(keys, overlap),
    published: await publish(ordered(keys, overlap)),
    source: { type: 'key', key: signing.write(), passphrase },
  };
}

/** The keys of a file. The key that signs comes first. */
function ordered(keys: readonly PrivateKey[], overlap: number): PrivateKey[] {
  const roles = rolesOf(keys, overlap);
  const signing = roles.filter(({ role }) => role === 'signing');
  return [...signing, ...roles.filter(({ role }) => role !== 'signing')].map(({ key }) => key);
}
