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
      'Start the server and print how to add it to lxc and incus. SIGTERM and SIGINT let running downloads finish for a while (shutdownTimeout); a second one ends at once. SIGHUP changes nothing yet: restart the server to apply another configuration.',
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

/** Serves until a signal comes. */
async function serve(config: Config, json: boolean, output: Output): Promise<void> {
  // Before anything is said: whoever reads it may stop the server at once.
  const stopped = firstSignal();
  let noteHangup = () => {};
  process.on('SIGHUP', () => noteHangup());
  const { startServer } = await import('../../../server/start.ts');
  const server = await startServer(config, { mirrors: await readMirrors(config) });
  noteHangup = () => server.noteHangup();
  if (json) {
    const { port, selfSigned, certificatePath, fingerprint } = server;
    const certificate = { certificate: certificatePath ?? null, fingerprint: fingerprint ?? null };
    output.json({ url: serverUrl(config, port), port, selfSigned, ...certificate }, 'line');
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
