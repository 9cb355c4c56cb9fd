import type { Command } from 'commander';
import type { Config } from '../../../config/schema.ts';
import { localConfig } from '../../backend/open-backend.ts';
import { signalExitCodes } from '../../exit-codes.ts';
import { wantsJson } from '../../global-options.ts';
import { addExamples, collect } from '../../help.ts';
import { readMirrors } from '../../read-mirrors.ts';
import { bannerText, serverUrl } from '../../view/banner.ts';
import type { Output } from '../../view/output.ts';

export function addServeCommand(program: Command, output: Output): void {
  const command = program
    .command('serve')
    .summary('start the server')
    .description(
      'Start the server and print how to add it to lxc and incus. At SIGTERM or SIGINT, running downloads may finish within shutdownTimeout; a second signal ends the server at once. SIGHUP has no effect: restart the server to apply a changed configuration.',
    )
    .option('--set <key=value>', 'a setting, such as listen.port=9443 (repeatable)', collect)
    .action(async (options: { set?: string[] }) => {
      const { config } = await localConfig(command, options.set ?? []);
      await serve(config, wantsJson(command), output);
    });
  addExamples(command, [
    'headwater serve',
    'headwater serve --data-dir /srv/headwater --set listen.port=443',
    'headwater serve --config /etc/headwater/headwater.yaml',
  ]);
}

/** Serves until a signal arrives. */
async function serve(config: Config, json: boolean, output: Output): Promise<void> {
  // Before any output: its reader may stop the server at once.
  const stopped = firstSignal();
  let noteHangup = () => {};
  process.on('SIGHUP', () => noteHangup());
  const { startServer } = await import('../../../server/start.ts');
  const server = await startServer(config, { mirrors: await readMirrors(config) });
  noteHangup = () => server.noteHangup();
  if (json) {
    const { port, selfSigned, certificatePath, fingerprint, signingKey } = server;
    const certificate = { certificate: certificatePath ?? null, fingerprint: fingerprint ?? null };
    const facts = { url: serverUrl(config, port), port, selfSigned, ...certificate };
    output.json({ ...facts, signingKey: signingKey ?? null }, 'line');
  } else {
    output.line(bannerText(config, server));
  }
  await stopped;
  await server.close();
}

/** Resolves at the first SIGINT or SIGTERM; the second one ends the process. */
async function firstSignal(): Promise<void> {
  await new Promise<void>((resolve) => {
    let received = false;
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        if (received) process.exit(signalExitCodes[signal]);
        received = true;
        resolve();
      });
    }
  });
}
