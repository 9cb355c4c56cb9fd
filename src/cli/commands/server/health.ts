import { type Command, Option } from 'commander';
import { localConfig } from '../../backend/open-backend.ts';
import { wantsJson } from '../../global-options.ts';
import { addExamples, collect } from '../../help.ts';
import type { Output } from '../../view/output.ts';

export function addHealthCommand(program: Command, output: Output): void {
  const command = program
    .command('health')
    .summary('ask the server on this machine whether it is ready')
    .description(
      'Ask the server that runs on this machine with this configuration whether it is ready: /readyz, over https unless TLS is off. Where one server runs on the data directory, it is asked where it listens, whatever settings it was started with; otherwise, and with --set listen.…, at the address and port of the configuration. Exit code 0: it is; 7: it is not, or cannot be reached. With --write, /readyz?write: whether images can be published, too. With --live, /healthz: whether the process answers.',
    )
    .option('--live', 'ask only whether the process answers')
    .addOption(new Option('--write', 'ask whether images can be published, too').conflicts('live'))
    .option('--set <key=value>', 'a setting, such as listen.port=9443 (repeatable)', collect)
    .action(async (options: { live?: boolean; write?: boolean; set?: string[] }) => {
      const { set = [] } = options;
      const { config } = await localConfig(command, set);
      const { askHealth } = await import('../../backend/health-probe.ts');
      const ready = options.write === true ? 'readyz?write' : 'readyz';
      const url = await askHealth(config, options.live === true ? 'healthz' : ready, {
        exactly: set.some((assignment) => assignment.startsWith('listen')),
      });
      if (wantsJson(command)) output.json({ url, healthy: true });
      else output.line(`${url}: ok`);
    });
  addExamples(command, [
    'headwater health',
    'headwater health --live',
    'headwater health --write',
    'headwater health --config /etc/headwater/headwater.yaml --json',
  ]);
}
