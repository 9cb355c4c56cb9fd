import { spawn } from 'node:child_process';
import type { PublicKey, Signature } from 'openpgp';
import { HeadwaterError, messageOf, quotable } from '../errors.ts';
import { hashNames, signedPart, splitClearSigned } from './clear-text.ts';
import { checkSignature, type Signer } from './signer.ts';

/** The argument that is replaced by the option of gpg for the kind of signature. */
const placeholder = '{mode}';
/** The time limit of the command, in milliseconds. */
const commandTimeout = 30_000;
/** The largest part of the messages of the command that an error quotes, in characters. */
const maxMessageLength = 2000;

/**
 * Signs with a program, for keys on a card or in an HSM. The program reads the bytes from standard input. Its argument
 * `{mode}` is replaced by `--detach-sign` or `--clear-sign`; without `{mode}`, that option is the last argument. The program
 * prints the detached signature, binary or armored, or the clear-signed text. The output is verified.
 */
export class CommandSigner implements Signer {
  readonly #command: readonly string[];
  readonly #keys: readonly PublicKey[];

  /** @param keys the public keys; a signature must be by one of them */
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

  detachedFrom(): Promise<Uint8Array> {
    // Its output could be verified only with all bytes in memory.
    return Promise.reject(this.#failed('large files are signed only with a key file'));
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
    // The exit code explains why a program ends without reading its input.
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
