import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../../support/command.ts';
import { demand } from '../../support/needs.ts';

/** A key of its own, as the owner of an upstream has one: made and used with gpg. */
export class SigningKey {
  readonly #home: string;
  readonly name: string;
  /** The public key, in a file. */
  readonly keyring: string;
  /** The same, armored. */
  readonly armored: string;

  private constructor(home: string, name: string) {
    this.#home = home;
    this.name = name;
    this.keyring = join(home, 'keyring.gpg');
    this.armored = join(home, 'keyring.asc');
  }

  /**
   * @param options.expires when the key expires, as gpg takes it; never when left out
   * @param options.made the day when the key is made, as `YYYYMMDD`; today when left out
   */
  static async make(name: string, options: { expires?: string; made?: string } = {}): Promise<SigningKey> {
    demand('gpg');
    // gpg's agent has its socket in there, whose path must be short.
    const key = new SigningKey(await mkdtemp(join(tmpdir(), 'hw-gpg-')), name);
    // The exclamation mark stops the clock: gpg may take more than a second.
    const time = options.made === undefined ? [] : ['--faked-system-time', `${options.made}T000000!`];
    await key.#gpg(
      ...time,
      '--quick-generate-key',
      `${name} <${name}@example.com>`,
      'rsa2048',
      'sign',
      options.expires ?? 'never',
    );
    await key.#gpg('--output', key.keyring, '--export');
    await key.#gpg('--output', key.armored, '--armor', '--export');
    return key;
  }

  /**
   * Signs a text into a clear-signed message, as `.sjson` files are.
   * @param options.at the day of the signature, as `YYYYMMDD`; today when left out
   * @param options.expires when the signature expires, as gpg takes it
   */
  async clearSign(text: string, options: { at?: string; expires?: string } = {}): Promise<string> {
    const time = options.at === undefined ? [] : ['--faked-system-time', `${options.at}T000000!`];
    const expiry = options.expires === undefined ? [] : ['--default-sig-expire', options.expires];
    return (await this.#sign(text, ...time, ...expiry, '--clearsign')).toString();
  }

  /** A signature as a file of its own. */
  async detached(text: string, options: { armored?: boolean } = {}): Promise<Buffer> {
    return await this.#sign(text, ...(options.armored === true ? ['--armor'] : []), '--detach-sign');
  }

  /** Ends gpg's agent and removes everything. */
  async remove(): Promise<void> {
    await run('gpgconf', ['--homedir', this.#home, '--kill', 'gpg-agent']);
    await rm(this.#home, { recursive: true, force: true });
  }

  async #sign(text: string, ...args: string[]): Promise<Buffer> {
    const [input, output] = [join(this.#home, 'input'), join(this.#home, 'output')];
    await writeFile(input, text);
    await this.#gpg('--local-user', this.name, '--output', output, ...args, input);
    return await readFile(output);
  }

  async #gpg(...args: string[]): Promise<void> {
    await run('gpg', ['--homedir', this.#home, '--batch', '--yes', '--passphrase', '', ...args]);
  }
}
