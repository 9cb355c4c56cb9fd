import { type Command, Option } from 'commander';
import { localConfig } from '../../backend/open-backend.ts';
import { wantsJson } from '../../global-options.ts';
import { addExamples, collect } from '../../help.ts';
import type { Output } from '../../view/output.ts';

export function addHealthCommand(program: Command, output: Output): void {
  const command = program
    .command('health')
    .summary('check whether the server on this machine is ready')
    .description(
      'Check whether the server on this machine is ready (/readyz, over https unless TLS is off). If exactly one server runs on the data directory, the command first tries the address of that server, whatever settings it was started with, and then the configured address. Otherwise, it first tries the configured address, and then the addresses of all servers on the data directory. With --set listen.…, it tries only the address that results from these settings. The exit code is 0 if the server is ready, and 7 if it is not or cannot be reached. --write asks /readyz?write: whether images can also be published. --live asks /healthz: whether the process answers.',
    )
    .option('--live', 'check only whether the process answers')
    .addOption(new Option('--write', 'also check whether images can be published').conflicts('live'))
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
