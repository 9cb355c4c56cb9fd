import { spawn } from 'node:child_process';
import type { PublicKey, Signature } from 'openpgp';
import { HeadwaterError, messageOf, quotable } from '../errors.ts';
import { hashNames, signedPart, splitClearSigned } from './clear-text.ts';
import { checkSignature, type Signer } from './signer.ts';

/** What a word of the command is replaced by: the option of gpg for the kind of signature. */
const placeholder = '{mode}';
/** How long the command may take, in milliseconds. */
const commandTimeout = 30_000;
/** Bytes of its messages that are kept. */
const maxMessageLength = 2000;

/**
 * Signs with a program, for keys on a card or in an HSM. It gets the bytes on its standard input, and `--detach-sign` or
 * `--clear-sign` in the place of `{mode}` (behind its arguments, where there is none). It prints the detached signature,
 * binary or armored, or the clear-signed text. What it prints is checked.
 */
export class CommandSigner implements Signer {
  readonly #command: readonly string[];
  readonly #keys: readonly PublicKey[];

  /** @param keys one of which must have signed */
  constructor(command: readonly string[], keys: readonly PublicKey[]) {
    this.#command = command;
    this.#keys = keys;
  }

  async detached(bytes: Uint8Array): Promise<Uint8Array> {
    const { createMessage, readSignature } = await import('openpgp');
    const printed = await this.#run('--detach-sign', bytes);
    const isArmored = printed.subarray(0, 100).includes('-----BEGIN PGP');
    const signature = await this.#parse(
      isArmored
        ? readSignature({ armoredSignature: printed.toString('latin1') })
        : readSignature({ binarySignature: printed }),
    );
    await this.#check(createMessage({ binary: bytes }), signature);
    return Buffer.from(signature.packets.write());
  }

  async clear(text: string): Promise<string> {
    const { createMessage, readSignature } = await import('openpgp');
    const printed = (await this.#run('--clear-sign', Buffer.from(text))).toString('latin1');
    const parts = splitClearSigned(printed);
    if (parts === undefined) {
      throw this.#failed('expected a clear-signed text with exactly one header, "Hash: …"');
    }
    if (parts.text.trimEnd() !== text.trimEnd()) throw this.#failed('it signed another text');
    const signature = await this.#parse(readSignature({ armoredSignature: parts.armored }));
    if (!hashNames.has(signature.packets[0]?.hashAlgorithm ?? 0)) {
      throw this.#failed(`expected one of the hashes ${[...hashNames.values()].join(', ')}`);
    }
    await this.#check(createMessage({ text: signedPart(parts.text) }), signature);
    return printed.replaceAll('\r\n', '\n');
  }

  async #check(message: Promise<Parameters<typeof checkSignature>[0]>, signature: Signature): Promise<void> {
    try {
      await checkSignature(await message, signature, this.#keys);
    } catch (error) {
      throw this.#failed(messageOf(error), error);
    }
  }

  async #parse(reading: Promise<Signature>): Promise<Signature> {
    return await reading.catch((error: unknown) => {
      throw this.#failed('it printed no OpenPGP signature', error);
    });
  }

  async #run(mode: string, input: Uint8Array): Promise<Buffer> {
    const replaced = this.#command.map((word) => (word === placeholder ? mode : word));
    const [program = '', ...words] = this.#command.includes(placeholder) ? replaced : [...replaced, mode];
    const child = spawn(program, words, { stdio: ['pipe', 'pipe', 'pipe'], timeout: commandTimeout });
    const output: Buffer[] = [];
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      said = (said + chunk).slice(0, maxMessageLength);
    });
    // A program that ends without reading says why by its exit code.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    const end = await new Promise<string | undefined>((resolve) => {
      child.once('error', (error) => resolve(messageOf(error)));
      child.once('close', (code, signal) => {
        if (code === 0) resolve(undefined);
        else if (signal === null) resolve(`exit code ${code}: ${quotable(said)}`);
        else
          resolve(child.killed ? `no result after ${commandTimeout / 1000} s` : `it was ended by ${signal}`);
      });
    });
    if (end !== undefined) throw this.#failed(end);
    return Buffer.concat(output);
  }

  #failed(problem: string, cause?: unknown): HeadwaterError {
    return new HeadwaterError('unavailable', `signing.command (${this.#command[0]}): ${problem}`, { cause });
  }
}
